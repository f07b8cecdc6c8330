//! Fibers that are unwound: together with the fiber around them, or while their caller waits.

use std::{any::Any, panic::resume_unwind, task::Poll};

use crate::{
    error::Cancelled,
    raw::{State, with_current},
};

/// Whether a fiber was unwound because the fiber around it is to be unwound. The outer fiber goes last: its wait is
/// pending until then, so that the panic of one future does not cut that wait while other fibers inside it are still at
/// work.
pub(crate) fn is_cut_with_its_poller(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Cancelled>() && with_current(|outer| outer.is_some_and(State::is_unwinding))
}

/// Returns `Pending` inside a fiber that unwinds, whose wait then ends; unwinds elsewhere.
pub(crate) fn pending_with_its_poller<T>() -> Poll<T> {
    if is_cut_with_its_poller(&Cancelled) { Poll::Pending } else { resume_unwind(Box::new(Cancelled)) }
}

/// Logs that the caller gets [`Cancelled`] for an outcome. It does not pass the panic hook, so nothing else tells why a
/// server cuts the connection.
pub(super) fn report_cancelled(service: &str, payload: &(dyn Any + Send)) {
    #[cfg(feature = "tracing")]
    if payload.is::<Cancelled>() {
        tracing::info!(
            service,
            "a call was cancelled and has unwound while its caller waits. The caller gets the panic `Cancelled`: a server \
             cuts the client off"
        );
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (service, payload);
}
