//! A task of the pool: its body, waker and outcome, in one allocation.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Wake, Waker},
};

use super::{
    queues::Queues,
    state::{Audience, Parting, State},
};
use crate::{
    raw::{Caller, clone_waker, let_go, wake},
    util::{drop_quietly::drop_quietly, lock::lock, loom::Mutex},
};

/// What a task does.
pub(crate) trait Body: Send + 'static {
    type Output: Send + 'static;

    /// Ready when the body has ended, with `None` if it has no outcome. `caller` says whether the caller has gone; the
    /// waker is woken when it goes.
    fn poll(&mut self, cx: &mut Context<'_>, caller: &(dyn Caller + 'static)) -> Poll<Option<Self::Output>>;
}

/// A task with any body.
pub(super) trait Task: Send + Sync {
    /// Runs the task until it waits or ends. The task must come from a queue; `here` is the worker that runs it.
    fn run(self: Arc<Self>, here: &Arc<Queues<Arc<dyn Task>>>) -> Ran;
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    Waits,
    Ended,
    /// The task ended, and this worker had counted it as a guest.
    GuestEnded,
}

/// The locks stand in for unsafe code and are never contended: the state says which side owns what each guards.
struct Inner<B: Body> {
    state: State,
    /// The worker on which the task began. Set before the first run is over; until then the task is in a queue that any
    /// worker may take from.
    home: OnceLock<Arc<Queues<Arc<dyn Task>>>>,
    is_guest: bool,
    /// Belongs to the worker that runs the task; once the task has ended, to the caller, if it has not gone.
    progress: Mutex<Progress<B>>,
    caller: Mutex<Option<Waker>>,
}

enum Progress<B: Body> {
    /// With the waker that the task itself keeps while it waits: a task that no waker can wake waits for ever, as a
    /// thread would.
    Runs(B, Option<Waker>),
    Ended(Option<B::Output>),
}

impl<B: Body> Inner<B> {
    /// Takes the outcome, which must be in its place.
    fn take(&self) -> Option<B::Output> {
        match &mut *lock(&self.progress) {
            Progress::Ended(outcome) => outcome.take(),
            Progress::Runs(..) => unreachable!("the state says that it has ended"),
        }
    }

    /// Puts the task into the queue of its home.
    fn schedule(self: Arc<Self>) {
        let home = Arc::clone(self.home.get().expect("a task that waits has a home"));
        home.push_resume(self);
    }

    /// Ready when the outcome is in its place, with what is left of the body.
    fn advance(self: &Arc<Self>, here: &Arc<Queues<Arc<dyn Task>>>) -> Poll<B> {
        let mut progress = lock(&self.progress);
        let Progress::Runs(body, own) = &mut *progress else { unreachable!("a task that has ended is not scheduled") };
        let waker = own.take().unwrap_or_else(|| Waker::from(Arc::clone(self)));
        let mut cx = Context::from_waker(&waker);
        let outcome = match catch_unwind(AssertUnwindSafe(|| body.poll(&mut cx, &self.state))) {
            Ok(Poll::Pending) => {
                *own = Some(waker);
                self.home.get_or_init(|| Arc::clone(here));
                return Poll::Pending;
            }
            Ok(Poll::Ready(outcome)) => outcome,
            // Bodies catch their fibers' panics; only destructors of what is left of the body panic here.
            Err(payload) => {
                drop_quietly(payload);
                None
            }
        };
        match mem::replace(&mut *progress, Progress::Ended(outcome)) {
            Progress::Runs(body, _) => Poll::Ready(body),
            Progress::Ended(_) => unreachable!("it has just been polled"),
        }
    }
}

impl<B: Body> Task for Inner<B> {
    fn run(self: Arc<Self>, here: &Arc<Queues<Arc<dyn Task>>>) -> Ran {
        self.state.begin_run();
        let Poll::Ready(body) = self.advance(here) else {
            if self.state.end_run() {
                here.push_resume(self);
            }
            return Ran::Waits;
        };
        match self.state.end() {
            Audience::Waits => {
                let waker = lock(&self.caller).take().expect("the caller has left it");
                wake(waker);
            }
            Audience::Looks => {}
            Audience::Gone => drop_quietly(self.take()),
        }
        // Dropped last: the layer counts the call until then, so that the end of all calls also waits for outcomes that
        // no caller takes.
        drop_quietly(body);
        if self.is_guest { Ran::GuestEnded } else { Ran::Ended }
    }
}

impl<B: Body> Wake for Inner<B> {
    fn wake(self: Arc<Self>) {
        if self.state.wake() {
            self.schedule();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.wake() {
            Arc::clone(self).schedule();
        }
    }
}

/// The caller's side of a task. Dropping it means that the caller goes.
pub(crate) struct Response<B: Body> {
    task: Arc<Inner<B>>,
    /// Whether the waker of the latest poll is in its place.
    waits: bool,
    is_new: bool,
}

/// A task that may run on any worker, and wakes the caller when it has ended. The caller must poll the response at
/// once: that first poll stores no other waker.
pub(super) fn with_caller<B: Body>(body: B, cx: &Context<'_>) -> (Arc<dyn Task>, Response<B>) {
    let task = Arc::new(Inner {
        state: State::awaited(),
        home: OnceLock::new(),
        is_guest: false,
        progress: Mutex::new(Progress::Runs(body, None)),
        caller: Mutex::new(Some(clone_waker(cx.waker()))),
    });
    (Arc::clone(&task) as Arc<dyn Task>, Response { task, waits: true, is_new: true })
}

/// A task without a caller that runs on one worker, which has counted it as a guest.
pub(super) fn alone<B: Body>(body: B, home: Arc<Queues<Arc<dyn Task>>>) -> Arc<dyn Task> {
    Arc::new(Inner {
        state: State::alone(),
        home: OnceLock::from(home),
        is_guest: true,
        progress: Mutex::new(Progress::Runs(body, None)),
        caller: Mutex::new(None),
    })
}

// The body lies behind the pointer, and is not pinned there either.
impl<B: Body> Unpin for Response<B> {}

impl<B: Body> Response<B> {
    /// Takes the waker's place back. Returns `false` if the task has ended.
    fn wait_no_more(&mut self) -> bool {
        !mem::take(&mut self.waits) || self.task.state.wait_no_more()
    }
}

impl<B: Body> Future for Response<B> {
    type Output = Option<B::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.task.state.has_ended() {
            if mem::take(&mut this.is_new) {
                return Poll::Pending;
            }
            if this.wait_no_more() {
                // The caller owns the place now, so it can clone and drop wakers, which are foreign code, with nothing
                // locked.
                let former = lock(&this.task.caller).take();
                let waker = match former {
                    Some(waker) if waker.will_wake(cx.waker()) => waker,
                    former => {
                        let_go(former);
                        clone_waker(cx.waker())
                    }
                };
                *lock(&this.task.caller) = Some(waker);
                this.waits = true;
                if !this.task.state.wait() {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(this.task.take())
    }
}

impl<B: Body> Drop for Response<B> {
    fn drop(&mut self) {
        if self.task.state.has_ended() {
            return drop_quietly(self.task.take());
        }
        if self.wait_no_more() {
            // The waker must not be kept for as long as the task goes on.
            let waker = lock(&self.task.caller).take();
            let_go(waker);
        }
        match self.task.state.part() {
            Parting::Take => drop_quietly(self.task.take()),
            Parting::Schedule => Arc::clone(&self.task).schedule(),
            Parting::Nothing => {}
        }
    }
}
