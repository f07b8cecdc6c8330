//! When no stack can be had: who waits for one, in what order, and who says so.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::{FiberStack, Source};
use crate::{raw::foreign::foreign, util::drop_quietly::drop_quietly};

/// How many wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// First come, first served.
static RETURNED: Notify = Notify::const_new();
/// How many stacks have been returned while somebody waited.
static RETURNS: AtomicUsize = AtomicUsize::new(0);
/// Whether this shortage has been reported.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Whether somebody waits for a stack.
#[inline]
pub(crate) fn is_there() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// A stack, if nobody waits for one and one can be had.
pub(crate) fn take_at_once(source: Source, reserve: bool) -> Option<FiberStack> {
    if reserve || !is_there() { source.take(reserve).ok() } else { None }
}

/// A stack has been returned to where every thread can take it.
#[cold]
pub(super) fn relieve() {
    RETURNS.fetch_add(1, Ordering::SeqCst);
    // It wakes a task, whose waker is foreign code.
    drop_quietly(foreign(|| RETURNED.notify_one()));
}

/// Waits until a stack can be had.
///
/// # Cancel safety
///
/// A task that gives up passes its turn on.
pub(crate) async fn wait(source: Source, reserve: bool, name: &str) -> FiberStack {
    let mut returned = pin!(RETURNED.notified());
    // Joins the queue before `WAITING` shows it, or a later caller could come first. A permit that was meant for
    // waiters of an earlier shortage is used up here: it would make this task try, fail, and queue again behind others.
    while returned.as_mut().enable() && !is_there() {
        returned.set(RETURNED.notified());
    }
    let waiting = Waiting::begin(source);
    // Those of the same size that came before have their turn first.
    let mut is_my_turn = reserve || waiting.is_first;
    let mut passed_at = None;
    loop {
        returned.as_mut().enable();
        let returns = RETURNS.load(Ordering::SeqCst);
        if is_my_turn {
            match source.take(reserve) {
                Ok(stack) => {
                    // More than one may have been returned at once. A task that is woken for nothing loses its place.
                    if WAITING.load(Ordering::SeqCst) > 1 && source.has_idle() {
                        RETURNED.notify_one();
                    }
                    return stack;
                }
                Err(error) => report(&error, name),
            }
            // What was returned may be of use to another size: each of those that wait looks once.
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
    /// Nobody else waits for a stack of this size.
    is_first: bool,
}

impl Waiting {
    fn begin(source: Source) -> Self {
        WAITING.fetch_add(1, Ordering::SeqCst);
        Self { source, is_first: source.waiting().fetch_add(1, Ordering::SeqCst) == 0 }
    }

    /// Whether others wait for a stack of another size.
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
    tracing::warn!(service = name, %error, "no stack for a fiber: calls wait until one is returned");
    #[cfg(not(feature = "tracing"))]
    let _ = (error, name);
}
