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

use super::run::{Caller, run_for, scopes};
use crate::{
    context::{AtCall, Scopes},
    fiber::{Relayed, StateExt as _},
    raw::{State, with_current},
};

/// Runs `f` on the blocking pool of `runtime`. The current span, the thread's dispatcher, and the scopes of the fibers
/// that the code here makes follow it there.
pub(crate) fn spawn<F, R>(runtime: &Handle, caller: Option<Caller>, f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let scopes = match with_current(|state| state.map(State::shared_arc)) {
        Some(shared) => Scopes::of_children(&shared),
        None => scopes(),
    };
    let context = AtCall::leaving(scopes.as_deref());
    runtime.spawn_blocking(move || context.run(|| run_for(caller, scopes, f)))
}

/// What all calls of a layer share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads {
    /// `None` if the layer has no limit of its own.
    pub(super) limit: Option<Arc<Semaphore>>,
    /// `None` for the caller's runtime.
    pub(super) runtime: Option<Handle>,
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
/// is shutting down; and when the future is polled after it was ready.
#[must_use = "futures do nothing unless polled"]
pub struct InBlocking<R> {
    stage: Stage<R>,
}

type Work<R> = Box<dyn FnOnce() -> R + Send>;

enum Stage<R> {
    InLine {
        work: Work<R>,
        line: Option<Line>,
        place: Place,
        threads: Threads,
    },
    Runs {
        output: JoinHandle<R>,
        /// Dropping it tells the call that its caller has gone.
        _caller: watch::Sender<bool>,
    },
    Done,
}

impl<R: Send + 'static> InBlocking<R> {
    /// Runs `work` as soon as `threads` allow, or at once if it has its permit, `place`.
    pub(crate) fn new(threads: &Threads, place: Place, work: Work<R>) -> Self {
        let line = if place.is_some() { None } else { threads.line() };
        Self { stage: Stage::InLine { work, line, place, threads: threads.clone() } }
    }
}

fn start<R: Send + 'static>(work: Work<R>, place: Place, threads: &Threads) -> Stage<R> {
    let (sender, caller) = watch::channel(false);
    let run = move || {
        // The permit is held until the thread is free again.
        let _place = place;
        work()
    };
    let output = match &threads.runtime {
        Some(runtime) => spawn(runtime, Some(caller), run),
        None => match Handle::try_current() {
            Ok(runtime) => spawn(&runtime, Some(caller), run),
            Err(_) => panic!(
                "a call on the blocking pool was started outside a tokio runtime: await it inside one, or give its layer one \
                 by BlockingLayer::builder().runtime(..)"
            ),
        },
    };
    Stage::Runs { output, _caller: sender }
}

impl<R: Send + 'static> Future for InBlocking<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        if let Stage::InLine { line, place, .. } = &mut this.stage {
            if let Some(line) = line {
                *place = Some(ready!(line.as_mut().poll(cx)));
            }
            if let Stage::InLine { work, place, threads, .. } = std::mem::replace(&mut this.stage, Stage::Done) {
                this.stage = start(work, place, &threads);
            }
        }
        let Stage::Runs { output, .. } = &mut this.stage else {
            panic!("a call on the blocking pool was polled after it had ended");
        };
        let outcome = ready!(Pin::new(output).poll(cx));
        this.stage = Stage::Done;
        Poll::Ready(outcome.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(_) => panic!("a call on the blocking pool was refused: its runtime is shutting down"),
        }))
    }
}

impl<R> Drop for InBlocking<R> {
    fn drop(&mut self) {
        if let Stage::Runs { output, .. } = &self.stage {
            // This has an effect only if the call has not begun.
            output.abort();
        }
    }
}

impl<R> fmt::Debug for InBlocking<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::InLine { .. } => "in line",
            Stage::Runs { .. } => "runs",
            Stage::Done => "done",
        };
        f.debug_struct("InBlocking").field("stage", &stage).finish()
    }
}
