//! Waits of middleware for what is below it, which end when the caller goes.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{UntilCallerGone, await_in_fiber, caller_gone, in_fiber, until_caller_gone, yield_now};
use crate::{
    fiber::StateExt as _,
    raw::{State, with_current},
};

/// Waits for `future`. Once the caller has gone, drops it and returns `None` if nothing in it must finish and no shield
/// holds.
#[track_caller]
pub(crate) fn await_while_wanted<F: Future>(future: F) -> Option<F::Output> {
    // A fiber learns that its caller has gone together with what its policy says: it may have to unwind instead.
    if with_current(|state| state.is_some_and(State::is_caller_gone)) {
        yield_now();
    }
    if is_unwanted() {
        return None;
    }
    // The fiber is resumed when its caller goes; other threads have to watch for it.
    let gone = (!in_fiber()).then(until_caller_gone);
    await_in_fiber(WhileWanted { future: Box::pin(future), gone })
}

/// Whether the code knows that its caller has gone, and a future that it awaits is to be dropped.
fn is_unwanted() -> bool {
    let is_to_be_dropped = |state: &State| {
        // A fiber that unwinds drops the future after the fibers in it have ended.
        let may_be_dropped = !state.is_unwinding() && !state.is_shielded() && !state.has_nested_finishing();
        state.signals().is_caller_gone() && may_be_dropped
    };
    with_current(|state| state.map(is_to_be_dropped)).unwrap_or_else(caller_gone)
}

/// The future is boxed, so that it is dropped with this and not within its poll, where destructors could not wait.
struct WhileWanted<F> {
    future: Pin<Box<F>>,
    gone: Option<UntilCallerGone>,
}

impl<F: Future> Future for WhileWanted<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if is_unwanted() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // Whatever finished its work may have ended in this poll.
        let is_gone = self.gone.as_mut().is_some_and(|gone| Pin::new(gone).poll(cx).is_ready());
        if is_gone || is_unwanted() { Poll::Ready(None) } else { Poll::Pending }
    }
}
