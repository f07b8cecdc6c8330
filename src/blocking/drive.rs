//! Polls a future on a thread that may block.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::run::drives_a_runtime;

struct Unpark {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Blocks the thread until `future` is ready.
///
/// It does not use the runtime's `block_on`, which does not nest: synchronous code below the future waits with it.
pub(super) fn drive<F: Future>(future: F) -> F::Output {
    drive_until(future, None).unwrap_or_else(|| unreachable!("it has no limit"))
}

/// Blocks a thread on which waits are neither in a fiber nor under `block_on_waits` until `future` is ready, or until
/// `limit` has passed. No runtime is needed.
///
/// # Panics
///
/// On a thread that drives a runtime: the tasks that it would stop may be what it waits for.
#[track_caller]
pub(crate) fn block<F: Future>(future: F, limit: Option<Duration>) -> Option<F::Output> {
    let is_driver = Handle::try_current().is_ok_and(|runtime| drives_a_runtime(&runtime));
    assert!(
        !is_driver,
        "a lock or channel of tower_fiber::sync would block a thread that drives a runtime: use it in a fiber \
         (run_in_fiber), or move the call to tokio::task::spawn_blocking [TF42]"
    );
    // Without an end if the clock cannot tell it.
    drive_until(future, limit.and_then(|limit| Instant::now().checked_add(limit)))
}

fn drive_until<F: Future>(future: F, end: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), is_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        while !unpark.is_woken.swap(false, Ordering::Acquire) {
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}
