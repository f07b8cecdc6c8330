//! The calls that wait for a stack: their order, and the warning about the shortage.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{RETURNED, RETURNS, WAITING, is_there};
use crate::raw::stack::{FiberStack, Source};

/// Whether this shortage has been reported.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Takes a stack if one is available and, unless `reserve` is set, no other call waits for one.
pub(crate) fn take_at_once(source: Source, reserve: bool) -> Option<FiberStack> {
    if reserve || !is_there() { source.take(reserve).ok() } else { None }
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
