//! Lets other tasks run: on request, and after waits that did not suspend.

use std::{panic::Location, task::Poll, thread};

use super::await_in_fiber;
use crate::raw::{At, State, with_current};

/// Lets other tasks of the thread run, once.
///
/// # Cancel safety
///
/// Same as [`await_in_fiber`].
///
/// # Panics
///
/// Same as [`await_in_fiber`].
#[track_caller]
pub fn yield_now() {
    let mut yielded = false;
    await_in_fiber(std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
}

/// Called after a wait that did not suspend: yields if enough of them came in a row.
#[inline]
pub(super) fn yield_if_due(state: &State, at: At) {
    if state.is_yield_due() {
        yield_to_others(state, at);
    }
}

/// Counts something that was there at once, without a wait, as a wait that did not suspend.
#[track_caller]
pub(crate) fn note_ready() {
    let at = Location::caller();
    with_current(|state| {
        if let Some(state) = state.filter(|state| !state.is_misplaced()) {
            yield_if_due(state, at);
        }
    });
}

/// Lets other tasks of the thread run, unless the code holds a value that it must not hold while suspended.
#[cold]
fn yield_to_others(state: &State, at: At) {
    if !thread::panicking() && !state.is_barred() {
        state.yield_now(at);
    }
}
