//! Fibers that are unwound with the one around them.

use std::{any::Any, panic::resume_unwind, task::Poll};

use crate::{
    error::Cancelled,
    raw::{State, with_current},
};

/// Whether a fiber was unwound because the one around it is to be: that one goes last, so that its wait is pending
/// until then, and not cut by the panic of a future while others inside it are still at work.
pub(crate) fn is_cut_with_its_poller(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Cancelled>() && with_current(|outer| outer.is_some_and(State::is_unwinding))
}

/// What the future of such a fiber gives: elsewhere than in a fiber that unwinds, whose wait ends without it, the
/// panic.
pub(crate) fn pending_with_its_poller<T>() -> Poll<T> {
    if is_cut_with_its_poller(&Cancelled) { Poll::Pending } else { resume_unwind(Box::new(Cancelled)) }
}
