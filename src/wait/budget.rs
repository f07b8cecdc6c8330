//! The budget of waits that do not suspend: when enough of them came in a row, the fiber yields.

use std::{panic::Location, thread};

use crate::raw::{At, State, with_current};

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
