//! Shortage of stacks: the calls that wait for one, their order, and the warning about it.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::{FiberStack, Source};
use crate::{raw::foreign::foreign, util::drop_quietly::drop_quietly};

/// How many calls wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Wakes the waiting calls, first come, first served.
static RETURNED: Notify = Notify::const_new();
/// How many stacks were returned while a call waited.
static RETURNS: AtomicUsize = AtomicUsize::new(0);
/// Whether this shortage has been reported.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Whether a call waits for a stack.
#[inline]
pub(crate) fn is_there() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// Takes a stack if one is available and, unless `reserve` is set, no other call waits for one.
pub(crate) fn take_at_once(source: Source, reserve: bool) -> Option<FiberStack> {
    if reserve || !is_there() { source.take(reserve).ok() } else { None }
}

/// Called after a stack was returned to where every thread can take it.
#[cold]
pub(super) fn relieve() {
    RETURNS.fetch_add(1, Ordering::SeqCst);
    // This wakes a task, whose waker is foreign code.
    drop_quietly(foreign(|| RETURNED.notify_one()));
}

/// Waits until a stack is available.
///
/// # Cancel safety
///
/// A task that gives up passes on its turn.
pub(crate) async fn wait(source: Source, reserve: bool, name: &str) -> FiberStack {
    let mut returned = pin!(RETURNED.notified());
    // Joins the queue before `WAITING` shows it; otherwise a later caller could come first. A notification meant for
    // waiters of an earlier shortage is used up here: it would make this task try, fail, and queue again behind other
    // tasks.
    while returned.as_mut().enable() && !is_there() {
        returned.set(RETURNED.notified());
    }
    let waiting = Waiting::begin(source);
    // Earlier waiters for the same size have their turn first.
    let mut is_my_turn = reserve || waiting.is_first;
    let mut passed_at = None;
    loop {
        returned.as_mut().enable();
        let returns = RETURNS.load(Ordering::SeqCst);
        if is_my_turn {
            match source.take(reserve) {
                Ok(stack) => {
                    // Several stacks may have been returned at once. A task that is woken in vain loses its place.
                    if WAITING.load(Ordering::SeqCst) > 1 && source.has_idle() {
                        RETURNED.notify_one();
                    }
                    return stack;
                }
                Err(error) => report(&error, name),
            }
            // The returned stack may help a waiter for another size: each waiter tries once.
            if waiting.has_others() && passed_at.replace(returns) != Some(returns) {
                RETURNED.notify_one();
            }
        }
        returned.as_mut().await;
        is_my_turn = true;
        returned.set(RETURNED.notified());
    }
}

struct Waiting {
    source: Source,
    /// No other call waits for a stack of this size.
    is_first: bool,
}

impl Waiting {
    fn begin(source: Source) -> Self {
        WAITING.fetch_add(1, Ordering::SeqCst);
        Self { source, is_first: source.waiting().fetch_add(1, Ordering::SeqCst) == 0 }
    }

    /// Whether a call waits for a stack of another size.
    fn has_others(&self) -> bool {
        WAITING.load(Ordering::SeqCst) > self.source.waiting().load(Ordering::SeqCst)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.source.waiting().fetch_sub(1, Ordering::SeqCst);
        if WAITING.fetch_sub(1, Ordering::SeqCst) == 1 {
            IS_REPORTED.store(false, Ordering::Relaxed);
        }
    }
}

fn report(error: &io::Error, name: &str) {
    if IS_REPORTED.swap(true, Ordering::Relaxed) {
        return;
    }
    #[cfg(feature = "tracing")]
    tracing::warn!(service = name, %error, "no stack for a fiber: calls wait until one is returned [TF27]");
    #[cfg(not(feature = "tracing"))]
    let _ = (error, name);
}
