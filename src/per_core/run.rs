//! [`PerCore::run`](super::PerCore::run): starts the threads and runs the closure on each.

use std::{
    error::Error,
    future::{Future, IntoFuture, pending, poll_fn},
    io,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::mpsc::{Receiver, UnboundedSender, unbounded_channel},
    time::sleep,
};

use super::{
    Core, Listener, PerCoreError,
    acceptor::Acceptor,
    error::Kind,
    handle::Serving,
    listener::{Handed, Source},
    pin::Cpus,
    supervise::{Event, Phase, Supervisor},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// A server that is bound and not yet started.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) settings: Settings,
    pub(super) cores: usize,
    pub(super) address: SocketAddr,
    /// One for each core, or one for all.
    pub(super) sockets: Vec<TcpListener>,
}

/// How its cores are run.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) pin: bool,
    pub(super) thread_name: String,
    pub(super) nodelay: bool,
    pub(super) shutdown_timeout: Option<Duration>,
    pub(super) single_acceptor: bool,
}

pub(super) fn run<F, Fut, T, E>(
    server: Server,
    shutdown: impl Future<Output = ()>,
    f: F,
) -> Result<Vec<T>, PerCoreError>
where
    F: Fn(Core, Listener) -> Fut + Sync,
    Fut: IntoFuture<Output = Result<T, E>>,
    T: Send,
    E: Into<BoxError>,
{
    let not_started = |error| PerCoreError::new(None, Kind::Start(error));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(not_started)?;
    let Server { settings, cores, address, sockets } = server;
    let (acceptor, origins) = origins(sockets, cores, settings.single_acceptor);
    let cpus = if settings.pin { Cpus::of_this_thread().inspect_err(unpinned).ok() } else { None };
    let (f, settings) = (&f, &settings);
    let outcome = thread::scope(|scope| {
        // The threads are started inside `block_on`, so that in async code it panics before any thread starts.
        runtime.block_on(async {
            let mut acceptor = acceptor.map(Acceptor::ready).transpose().map_err(not_started)?;
            let mut supervisor = Supervisor::new(cores);
            let (events, inbox) = unbounded_channel();
            let mut threads = Vec::with_capacity(cores);
            for ((index, origin), serving) in origins.into_iter().enumerate().zip(Serving::of_cores(cores)) {
                let core = Core { index, count: cores, cpu: None, phase: supervisor.phase(), serving };
                let life = Life { core, origin, address, settings, cpus };
                let events = events.clone();
                let thread = thread::Builder::new().name(format!("{}-{index}", settings.thread_name));
                match thread.spawn_scoped(scope, move || life.run(f, &events)) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        supervisor.fail(not_started_on(index, error));
                        break;
                    }
                }
            }
            drop(events);
            let accept = || {
                if let Some(acceptor) = acceptor.take() {
                    tokio::spawn(acceptor);
                }
            };
            let mut outcome = supervisor.run(shutdown, inbox, accept).await;
            for (index, thread) in threads.into_iter().enumerate() {
                if let Err(payload) = thread.join() {
                    outcome.failures.push(PerCoreError::panicked(index, payload));
                }
            }
            Ok::<_, PerCoreError>(outcome)
        })
    })?;
    if let Some(payload) = outcome.panic {
        resume_unwind(payload);
    }
    match PerCoreError::first_of(outcome.failures) {
        None => Ok(outcome.values.into_iter().map(|value| value.expect("a core that did not fail")).collect()),
        Some(error) => Err(error),
    }
}

/// A [`Source`] that is not yet registered with the core's runtime.
enum Origin {
    Socket(TcpListener),
    Acceptor(Receiver<Handed>),
}

impl Origin {
    fn ready(self) -> io::Result<Source> {
        Ok(match self {
            Self::Socket(socket) => Source::Socket(tokio::net::TcpListener::from_std(socket)?),
            Self::Acceptor(handed) => Source::Handed(handed),
        })
    }
}

fn origins(mut sockets: Vec<TcpListener>, cores: usize, single_acceptor: bool) -> (Option<Acceptor>, Vec<Origin>) {
    if single_acceptor {
        let (acceptor, ends) = Acceptor::new(sockets.swap_remove(0), cores);
        (Some(acceptor), ends.into_iter().map(Origin::Acceptor).collect())
    } else {
        (None, sockets.into_iter().map(Origin::Socket).collect())
    }
}

/// The data of one core's thread.
struct Life<'a> {
    core: Core,
    origin: Origin,
    address: SocketAddr,
    settings: &'a Settings,
    /// The CPUs to pin to.
    cpus: Option<Cpus>,
}

impl Life<'_> {
    fn run<F, Fut, T, E>(mut self, f: F, events: &UnboundedSender<Event<T>>)
    where
        F: Fn(Core, Listener) -> Fut,
        Fut: IntoFuture<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let index = self.core.index;
        let serving = Arc::clone(&self.core.serving);
        if let Some(cpus) = &self.cpus {
            self.core.cpu = cpus.pin_to(index).inspect_err(unpinned).ok();
        }
        let runtime = match self.runtime() {
            Ok(runtime) => runtime,
            // No core runs its closure, so none waits for this one to have served.
            Err(error) => return tell(events, Event::Done(index, Err(not_started_on(index, error)))),
        };
        // The panic is reported at once, because the runtime's shutdown may take long.
        let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.live(f, events))))
            .unwrap_or_else(|payload| Err(PerCoreError::panicked(index, payload)));
        serving.end();
        tell(events, Event::Done(index, done));
    }

    fn runtime(&self) -> io::Result<LocalRuntime> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all();
        if let (Some(cpus), Some(_)) = (self.cpus, self.core.cpu) {
            // tokio's blocking threads inherit the pin and would compete with this thread for its CPU.
            builder.on_thread_start(move || {
                let _ = cpus.unpin();
            });
        }
        builder.build_local(LocalOptions::default())
    }

    /// Runs the closure. Returns `None` if the core was told not to run it.
    async fn live<F, Fut, T, E>(self, f: F, events: &UnboundedSender<Event<T>>) -> Result<Option<T>, PerCoreError>
    where
        F: Fn(Core, Listener) -> Fut,
        Fut: IntoFuture<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let Self { core, origin, address, settings, .. } = self;
        let index = core.index;
        let source = origin.ready().map_err(|error| not_started_on(index, error))?;
        let listener = Listener::new(source, address, settings.nodelay);
        tell(events, Event::Ready);
        let mut phase = core.phase.clone();
        let known = phase.wait_for(|phase| *phase != Phase::Starting).await;
        if known.is_ok_and(|phase| *phase == Phase::Abandoned) {
            return Ok(None);
        }
        let shutdown = core.shutdown();
        let limited = async {
            let Some(limit) = settings.shutdown_timeout else { return pending().await };
            shutdown.await;
            sleep(limit).await;
            Err(PerCoreError::new(Some(index), Kind::TimedOut(limit)))
        };
        let failed = |error: E| PerCoreError::new(Some(index), Kind::Failed(error.into()));
        let work = async { f(core, listener).await.map(Some).map_err(failed) };
        let (mut work, mut limited) = (pin!(work), pin!(limited));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => limited.as_mut().poll(cx),
        })
        .await
    }
}

fn tell<T>(events: &UnboundedSender<Event<T>>, event: Event<T>) {
    // The send fails only after `run` has returned, and `run` waits for the threads.
    let _ = events.send(event);
}

fn not_started_on(core: usize, error: io::Error) -> PerCoreError {
    PerCoreError::new(Some(core), Kind::Start(error))
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "there are no events"))]
fn unpinned(error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "could not pin a thread to a core");
}
