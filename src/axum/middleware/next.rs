//! [`Next`]: the rest of the stack below a middleware function.

use std::convert::Infallible;

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use tower_service::Service;

use super::CallerGone;
use crate::wait::await_while_wanted;

/// The rest of the stack below a middleware function: more middleware, and the handler. Clone it to retry.
#[derive(Clone, Debug)]
pub struct Next {
    inner: BoxCloneSyncService<Request, Response, Infallible>,
}

impl Next {
    pub(super) fn new<S>(inner: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self { inner: BoxCloneSyncService::new(inner) }
    }

    /// Calls the rest of the stack and waits for the response.
    ///
    /// # Cancel safety
    ///
    /// When the caller of the middleware goes during the wait, because the client disconnects or a time-out elapses,
    /// the code below is dropped as it would be without this middleware, and `run` returns a response that says so:
    /// [`CallerGone`].
    ///
    /// * Async handlers and middleware below are dropped.
    /// * Synchronous ones below whose policy is [`OnDrop::Cancel`](crate::OnDrop::Cancel) or
    ///   [`OnDrop::Unwind`](crate::OnDrop::Unwind) are cancelled, after their
    ///   [`grace`](crate::FiberLayerBuilder::grace). They end in the background.
    /// * Synchronous ones below that have begun and whose policy is [`OnDrop::Finish`](crate::OnDrop::Finish), and
    ///   [`blocking`](crate::axum::blocking) handlers, run to their end anyway. `run` waits for that, and returns their
    ///   response if nothing async around them is left pending. So what the middleware holds for them, such as a
    ///   transaction, is still there while they run. Only calls that their layer places on
    ///   [another pool](crate::Placement) than the middleware are not waited for.
    ///
    /// If the caller has gone before `run`, nothing below begins. In a [`shield`](crate::shield), `run` waits for the
    /// response in any case.
    ///
    /// If the wait unwinds, which needs a layer with `OnDrop::Unwind`, the call below is dropped.
    ///
    /// # Panics
    ///
    /// If the code below panics, and where [`await_in_fiber`](crate::await_in_fiber) panics.
    #[track_caller]
    pub fn run(self, request: Request) -> Response {
        match await_while_wanted(self.inner.oneshot(request)) {
            Some(Ok(response)) => response,
            Some(Err(never)) => match never {},
            None => CallerGone.into_response(),
        }
    }
}
