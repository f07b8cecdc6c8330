//! [`Next`]: the rest of the stack below a middleware function.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use tower_service::Service;

use crate::wait::await_in_fiber;

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
    /// As for [`await_in_fiber`]: if the wait unwinds, the call below is dropped, as async middleware would drop it.
    ///
    /// # Panics
    ///
    /// If the code below panics, and where [`await_in_fiber`] panics.
    #[track_caller]
    pub fn run(self, request: Request) -> Response {
        match await_in_fiber(self.inner.oneshot(request)) {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
