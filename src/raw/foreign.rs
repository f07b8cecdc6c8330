//! Running foreign code from a fiber or its owner: wakers, hooks, clones, listeners, and the wakers behind a channel.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Waker,
    thread,
};

use super::with_current;
use crate::util::drop_quietly::drop_quietly;

/// Runs foreign code between two steps of the crate. Its panic is caught, and its waits are refused, since a wait would
/// suspend in the middle of a step. The crate must hold no lock, and no borrow of data that the code could change.
#[inline]
pub(crate) fn foreign<R>(f: impl FnOnce() -> R) -> thread::Result<R> {
    with_current(|state| {
        let _refused = state.map(|state| state.refuse_waits());
        catch_unwind(AssertUnwindSafe(f))
    })
}

/// Clones the waker of a poll. If the clone panics, so does the poll.
#[inline]
pub(crate) fn clone_waker(waker: &Waker) -> Waker {
    foreign(|| waker.clone()).unwrap_or_else(|payload| resume_unwind(payload))
}

/// Clones a waker, or returns one that wakes no task if the clone panics.
#[inline]
pub(crate) fn clone_waker_or_none(waker: &Waker) -> Waker {
    foreign(|| waker.clone()).unwrap_or_else(|payload| {
        drop_quietly(payload);
        Waker::noop().clone()
    })
}

/// Wakes a task; a panic of the waker is discarded.
pub(crate) fn wake(waker: Waker) {
    drop_quietly(foreign(move || waker.wake()));
}

/// Drops a value whose destructor may run foreign code.
pub(crate) fn let_go<T>(value: T) {
    drop_quietly(foreign(move || drop(value)));
}
