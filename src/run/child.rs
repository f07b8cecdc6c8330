//! [`Child`]: one of several functions that run side by side on one thread.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use atomic_waker::AtomicWaker;

use crate::{
    blocking,
    fiber::{Shared, StateExt as _},
    raw::with_current,
    run::LocalFiber,
    settings::Settings,
    util::drop_quietly::drop_quietly,
};

/// One of several functions that run side by side.
pub(super) struct Child<R: 'static> {
    fiber: LocalFiber<R>,
    outcome: Option<thread::Result<R>>,
    wake: Arc<ChildWake>,
}

/// Notes that its child was woken, so that only woken children are polled.
struct ChildWake {
    is_woken: AtomicBool,
    parent: AtomicWaker,
}

impl Wake for ChildWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.parent.wake();
    }
}

impl<R: 'static> Child<R> {
    pub(super) fn new<F: FnOnce() -> R + 'static>(f: F) -> Self {
        let fiber = LocalFiber::new(f, &inherited_shared(), blocking::scopes_here().as_deref());
        let wake = ChildWake { is_woken: AtomicBool::new(true), parent: AtomicWaker::new() };
        Self { fiber, outcome: None, wake: Arc::new(wake) }
    }

    /// Polls the child if it was woken. Returns whether it has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.outcome.is_some() {
            return true;
        }
        // Register before reading `is_woken`, so that a later wake finds this waker.
        self.wake.parent.register(cx.waker());
        if !self.wake.is_woken.swap(false, Ordering::AcqRel) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.wake));
        if let Poll::Ready(outcome) = self.fiber.poll_outcome(&mut Context::from_waker(&waker)) {
            self.outcome = Some(outcome);
        }
        self.outcome.is_some()
    }

    /// Whether the child is in a [`shield`](crate::shield) and must not be dropped yet.
    pub(super) fn is_shielded(&self) -> bool {
        self.fiber.is_shielded()
    }

    pub(super) fn take(&mut self) -> thread::Result<R> {
        self.outcome.take().expect("all have ended")
    }
}

impl<R: 'static, E: 'static> Child<Result<R, E>> {
    /// Whether the child has returned an error or panicked.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.outcome, Some(Err(_) | Ok(Err(_))))
    }
}

impl<R: 'static> Drop for Child<R> {
    /// Drops the outcome quietly, because a hook of another child may have made the thread panic.
    fn drop(&mut self) {
        drop_quietly(self.outcome.take());
    }
}

/// Returns the shared data of this fiber's layer, for fibers that end before the wait for them does.
fn inherited_shared() -> Arc<Shared> {
    with_current(|state| match (state, blocking::scopes()) {
        (Some(state), _) => state.shared_arc(),
        (None, Some(scopes)) => Settings::shared_of_local(&scopes),
        (None, None) => Arc::clone(Settings::local()),
    })
}

/// Returns the result, or resumes the panic.
pub(super) fn unwrap<T>(outcome: thread::Result<T>) -> T {
    outcome.unwrap_or_else(|payload| resume_unwind(payload))
}
