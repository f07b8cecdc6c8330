//! How a closure gets to a thread that may block, and how its output comes back.

use std::{
    fmt,
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use super::{
    in_flight::{Cancel, InFlight},
    run::{is_within, run_for, scopes_here},
};
use crate::{
    context::AtCall,
    error::Closed,
    fiber::{Finishing, Relayed},
    raw::{State, foreign, with_current},
    util::drop_quietly::drop_quietly,
};

/// Runs `f` on the blocking pool of `runtime`. The current span, the thread's dispatcher, and the scopes of the fibers
/// that the code here makes follow it there.
pub(crate) fn spawn<F, R>(runtime: &Handle, caller: Option<watch::Receiver<bool>>, f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    spawn_call(runtime, caller, None, f)
}

fn spawn_call<F, R>(
    runtime: &Handle,
    caller: Option<watch::Receiver<bool>>,
    cancel: Option<Cancel>,
    f: F,
) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let scopes = scopes_here();
    let context = AtCall::leaving(scopes.as_deref());
    runtime.spawn_blocking(move || context.run(|| run_for(caller, cancel, scopes, f)))
}

/// State shared by all calls of a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads {
    /// `None` if the layer has no limit of its own.
    pub(super) limit: Option<Arc<Semaphore>>,
    /// `None` for the caller's runtime.
    pub(super) runtime: Option<Handle>,
    pub(super) in_flight: Arc<InFlight>,
}

/// The permit of one call, if the layer has a limit.
pub(super) type Place = Option<OwnedSemaphorePermit>;

/// Waits in line for a permit.
pub(super) type Line = Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send + Sync>>;

impl Threads {
    pub(super) fn line(&self) -> Option<Line> {
        let limit = Arc::clone(self.limit.as_ref()?);
        let place = async { limit.acquire_owned().await.expect("the limit is never closed") };
        Some(Box::pin(Relayed::new(Box::pin(place))))
    }
}

/// The future of a call on a thread that may block.
///
/// # Cancel safety
///
/// If the future is dropped while the call runs, the call runs to its end, and [`caller_gone`](crate::caller_gone)
/// tells it. A call that still waits for a thread is dropped without being run.
///
/// # Panics
///
/// If the call panics, with the same payload; outside a tokio runtime, unless the layer has its own; when that runtime
/// is shutting down; when the future is polled after it was ready; and if the layer is
/// [closed](crate::BlockingHandle::close) and the service's error is no `BoxError`.
#[must_use = "futures do nothing unless polled"]
pub struct InBlocking<R> {
    progress: Progress<R>,
}

type Work<R> = Box<dyn FnOnce() -> R + Send>;

/// The outcome of a call to a closed layer.
#[derive(Clone, Copy)]
pub(crate) struct Refused<R> {
    /// The type name of the service or function.
    pub(crate) label: &'static str,
    /// Returns the error if the outcome's type cannot hold it.
    pub(crate) outcome: fn(Closed) -> Result<R, Closed>,
}

enum Progress<R> {
    InLine {
        work: Work<R>,
        line: Option<Line>,
        place: Place,
        threads: Threads,
        refused: Refused<R>,
    },
    Runs {
        output: JoinHandle<R>,
        /// Dropping it tells the call that its caller has gone.
        caller: watch::Sender<bool>,
        /// The call goes on when this is dropped: the fibers around it learn that.
        _finishing: Option<Finishing>,
    },
    Done,
}

impl<R: Send + 'static> InBlocking<R> {
    /// Runs `work` as soon as `threads` allow, or at once if it has its permit, `place`.
    pub(crate) fn new(threads: &Threads, place: Place, refused: Refused<R>, work: Work<R>) -> Self {
        let line = if place.is_some() { None } else { threads.line() };
        Self { progress: Progress::InLine { work, line, place, threads: threads.clone(), refused } }
    }
}

/// Returns `None` if the layer is closed.
fn start<R: Send + 'static>(work: Work<R>, place: Place, threads: &Threads) -> Option<Progress<R>> {
    let mut guard = threads.in_flight.begin(|| is_within(&threads.in_flight))?;
    let cancel = Some(guard.cancel());
    let (sender, caller) = watch::channel(false);
    let run = move || {
        guard.run();
        // Both are held until the thread is free again.
        let _held = (place, guard);
        work()
    };
    let output = match &threads.runtime {
        Some(runtime) => spawn_call(runtime, Some(caller), cancel, run),
        None => match Handle::try_current() {
            Ok(runtime) => spawn_call(&runtime, Some(caller), cancel, run),
            Err(_) => panic!(
                "a call on the blocking pool was started outside a tokio runtime: await it inside one, or give its layer one \
                 by BlockingLayer::builder().runtime(..) [TF18]"
            ),
        },
    };
    let finishing = with_current(|state| state.map(Finishing::inside));
    Some(Progress::Runs { output, caller: sender, _finishing: finishing })
}

impl<R: Send + 'static> Future for InBlocking<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        if let Progress::InLine { line, place, .. } = &mut this.progress {
            if let Some(line) = line {
                *place = Some(ready!(line.as_mut().poll(cx)));
            }
            if let Progress::InLine { work, place, threads, refused, .. } =
                std::mem::replace(&mut this.progress, Progress::Done)
            {
                match start(work, place, &threads) {
                    Some(runs) => this.progress = runs,
                    None => {
                        let outcome = (refused.outcome)(Closed::of_blocking_layer(refused.label));
                        return Poll::Ready(outcome.unwrap_or_else(|closed| panic!("{closed}")));
                    }
                }
            }
        }
        let Progress::Runs { output, caller, .. } = &mut this.progress else {
            panic!("a call on the blocking pool was polled after it had ended [TF14]");
        };
        // A fiber around it may await the call after its own caller has gone.
        if with_current(|state| state.is_some_and(State::is_caller_gone)) && !*caller.borrow() {
            drop_quietly(foreign(|| caller.send_replace(true)));
        }
        let outcome = ready!(Pin::new(output).poll(cx));
        this.progress = Progress::Done;
        Poll::Ready(outcome.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(_) => panic!("a call on the blocking pool was refused: its runtime is shutting down [TF19]"),
        }))
    }
}

impl<R> Drop for InBlocking<R> {
    fn drop(&mut self) {
        if let Progress::Runs { output, .. } = &self.progress {
            // This has an effect only if the call has not begun.
            output.abort();
        }
    }
}

impl<R> fmt::Debug for InBlocking<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = match self.progress {
            Progress::InLine { .. } => "in line",
            Progress::Runs { .. } => "runs",
            Progress::Done => "done",
        };
        f.debug_struct("InBlocking").field("stage", &progress).finish()
    }
}
