//! [`Next`]: what is below a middleware function.

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

    /// Runs it, and waits for the response.
    ///
    /// # Cancel safety
    ///
    /// As [`await_in_fiber`]: if that unwinds, the call below is dropped, as by async middleware.
    ///
    /// # Panics
    ///
    /// If what is below does, and where [`await_in_fiber`] panics.
    #[track_caller]
    pub fn run(self, request: Request) -> Response {
        match await_in_fiber(self.inner.oneshot(request)) {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
