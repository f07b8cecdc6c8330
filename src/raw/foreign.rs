//! Code of others that a fiber or its owner runs on the way: wakers, hooks, clones, listeners, the wakers of a channel.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Waker,
    thread,
};

use super::with_current;
use crate::util::drop_quietly::drop_quietly;

/// Runs code of others between two steps of the crate's own. It may panic, which is caught; it cannot wait, since that
/// would suspend in the middle of a step. Nothing may be locked, and nothing borrowed that the code could change.
#[inline]
pub(crate) fn foreign<R>(f: impl FnOnce() -> R) -> thread::Result<R> {
    with_current(|state| {
        let _refused = state.map(|state| state.refuse_waits());
        catch_unwind(AssertUnwindSafe(f))
    })
}

/// Clones the waker of a poll. If that panics, so does the poll.
#[inline]
pub(crate) fn clone_waker(waker: &Waker) -> Waker {
    foreign(|| waker.clone()).unwrap_or_else(|payload| resume_unwind(payload))
}

/// Clones a waker by which nobody is woken if that panics.
#[inline]
pub(crate) fn clone_waker_or_none(waker: &Waker) -> Waker {
    foreign(|| waker.clone()).unwrap_or_else(|payload| {
        drop_quietly(payload);
        Waker::noop().clone()
    })
}

/// Wakes a task. A waker that panics harms nothing but itself.
pub(crate) fn wake(waker: Waker) {
    drop_quietly(foreign(move || waker.wake()));
}

/// Drops what may run code of others when it is dropped.
pub(crate) fn let_go<T>(value: T) {
    drop_quietly(foreign(move || drop(value)));
}
