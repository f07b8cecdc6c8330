//! [`PerCore::run`]: the threads, and what each of them does.

use std::{
    error::Error,
    future::{Future, IntoFuture, poll_fn},
    io,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    task::Poll,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::{
        mpsc::{Receiver, UnboundedSender, unbounded_channel},
        watch,
    },
    time::sleep,
};

use super::{
    Core, Listener, PerCore, PerCoreError,
    acceptor::Acceptor,
    listener::{Handed, Source},
    pin::Cpus,
    supervise::{Event, Phase, Supervisor},
};

type BoxError = Box<dyn Error + Send + Sync>;

pub(super) fn run<F, Fut, T, E>(
    server: PerCore,
    shutdown: impl Future<Output = ()>,
    f: F,
) -> Result<Vec<T>, PerCoreError>
where
    F: Fn(Core, Listener) -> Fut + Sync,
    Fut: IntoFuture<Output = Result<T, E>>,
    T: Send,
    E: Into<BoxError>,
{
    let runtime = Builder::new_current_thread().enable_all().build().map_err(PerCoreError::start)?;
    let PerCore { cores, pin, thread_name, nodelay, shutdown_timeout, address, sockets, single_acceptor } = server;
    let (acceptor, origins) = origins(sockets, cores, single_acceptor);
    let cpus = if pin { Cpus::of_this_thread().inspect_err(unpinned).ok() } else { None };
    let f = &f;
    let mut outcome = thread::scope(|scope| {
        // Threads are started inside: in async code it panics before there are any.
        runtime.block_on(async {
            let mut acceptor = acceptor.map(Acceptor::ready).transpose().map_err(PerCoreError::start)?;
            let (events, inbox) = unbounded_channel();
            let (phase, _) = watch::channel(Phase::Starting);
            let mut failure = None;
            let mut threads = Vec::with_capacity(cores);
            for (index, origin) in origins.into_iter().enumerate() {
                let core = Core { index, count: cores, cpu: None, phase: phase.subscribe() };
                let life = Life { core, origin, address, nodelay, cpus, shutdown_timeout, events: events.clone() };
                let thread = thread::Builder::new().name(format!("{thread_name}-{index}"));
                match thread.spawn_scoped(scope, move || life.run(f)) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        failure = Some(PerCoreError::start_core(index, error));
                        break;
                    }
                }
            }
            drop(events);
            let supervisor = Supervisor::new(phase, cores, threads.len(), failure);
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
    if let Some(payload) = outcome.panic.take() {
        resume_unwind(payload);
    }
    match PerCoreError::of(outcome.failures) {
        None => Ok(outcome.values.into_iter().map(|value| value.expect("a core that did not fail")).collect()),
        Some(error) => Err(error),
    }
}

/// Where a core's listener gets its connections, before the core's runtime knows of it.
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

/// What one thread needs.
struct Life<T> {
    core: Core,
    origin: Origin,
    address: SocketAddr,
    nodelay: bool,
    /// Those to be pinned to.
    cpus: Option<Cpus>,
    shutdown_timeout: Option<Duration>,
    events: UnboundedSender<Event<T>>,
}

impl<T> Life<T> {
    fn run<F, Fut, E>(mut self, f: F)
    where
        F: Fn(Core, Listener) -> Fut,
        Fut: IntoFuture<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let events = self.events.clone();
        // The last that the thread does, also when the runtime's end panics.
        let _ended = Ended(&events);
        let index = self.core.index;
        self.pin();
        let runtime = match self.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return tell(&events, Event::Done(index, Some(Err(PerCoreError::start_core(index, error))))),
        };
        // A panic is told at once, before the runtime's end, which may take its time.
        let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.live(f))))
            .unwrap_or_else(|payload| Some(Err(PerCoreError::panicked(index, payload))));
        tell(&events, Event::Done(index, done));
    }

    fn pin(&mut self) {
        if let Some(cpus) = &self.cpus {
            self.core.cpu = cpus.pin_to(self.core.index).inspect_err(unpinned).ok();
        }
    }

    fn runtime(&self) -> io::Result<LocalRuntime> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all();
        if let (Some(cpus), Some(_)) = (self.cpus, self.core.cpu) {
            // Threads for blocking functions inherit the pin, and would take this thread's time.
            builder.on_thread_start(move || {
                let _ = cpus.unpin();
            });
        }
        builder.build_local(LocalOptions::default())
    }

    /// `None` if the core was told not to run.
    async fn live<F, Fut, E>(self, f: F) -> Option<Result<T, PerCoreError>>
    where
        F: Fn(Core, Listener) -> Fut,
        Fut: IntoFuture<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let Self { core, origin, address, nodelay, shutdown_timeout, events, .. } = self;
        let index = core.index;
        let listener = match origin.ready() {
            Ok(source) => Listener::new(source, address, nodelay),
            Err(error) => return Some(Err(PerCoreError::start_core(index, error))),
        };
        tell(&events, Event::Ready);
        let mut phase = core.phase.clone();
        let known = phase.wait_for(|phase| *phase != Phase::Starting).await;
        if known.is_ok_and(|phase| *phase == Phase::Abandoned) {
            return None;
        }
        let shutdown = core.shutdown();
        let limited = async {
            let Some(limit) = shutdown_timeout else { return std::future::pending().await };
            shutdown.await;
            sleep(limit).await;
            Err(PerCoreError::timed_out(index, limit))
        };
        let work = async { f(core, listener).await.map_err(|error| PerCoreError::failed(index, error.into())) };
        let (mut work, mut limited) = (pin!(work), pin!(limited));
        let done = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => limited.as_mut().poll(cx),
        });
        Some(done.await)
    }
}

/// Tells that the thread ends, however it does.
struct Ended<'a, T>(&'a UnboundedSender<Event<T>>);

impl<T> Drop for Ended<'_, T> {
    fn drop(&mut self) {
        tell(self.0, Event::Ended);
    }
}

fn tell<T>(events: &UnboundedSender<Event<T>>, event: Event<T>) {
    // It fails when nobody waits for the cores any more, which does not happen before they have ended.
    let _ = events.send(event);
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "there are no events"))]
fn unpinned(error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "could not pin a thread to a core");
}
