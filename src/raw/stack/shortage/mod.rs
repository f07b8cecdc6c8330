//! Shortage of stacks: whether calls wait for one, and how they learn that one was returned.

mod wait;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

pub(crate) use self::wait::{take_at_once, wait};
use crate::{raw::foreign::foreign, util::drop_quietly::drop_quietly};

/// How many calls wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Wakes the waiting calls, first come, first served.
static RETURNED: Notify = Notify::const_new();
/// How many stacks were returned while a call waited.
static RETURNS: AtomicUsize = AtomicUsize::new(0);

/// Whether a call waits for a stack.
#[inline]
pub(crate) fn is_there() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// Called after a stack was returned to where every thread can take it.
#[cold]
pub(super) fn relieve() {
    RETURNS.fetch_add(1, Ordering::SeqCst);
    // This wakes a task, whose waker is foreign code.
    drop_quietly(foreign(|| RETURNED.notify_one()));
}
