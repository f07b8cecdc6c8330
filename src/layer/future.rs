//! The futures of [`FiberService`](crate::FiberService) and [`BlockingService`](crate::BlockingService).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower_service::Service;

pub use crate::blocking::InBlocking;
use crate::{
    call::{Call, ServiceCall},
    error::as_box_error,
};

/// The response of a call that runs in a fiber.
///
/// It is `Send` although the wrapped service's own future need not be. It is lazy: the service is called when the
/// response future is first polled.
///
/// # Cancel safety
///
/// If it is dropped while synchronous code waits, the fiber does what the layer's [`OnDrop`](crate::OnDrop) says: by
/// default it runs to its end in the background. If the service's own future is pending with no synchronous code below
/// it, that future is dropped, as it is without the layer. If the response future is dropped before its first poll, so
/// are service and request.
///
/// # Panics
///
/// It panics if the service panics, with the same payload; outside a tokio runtime; if it is polled after it was ready;
/// on a current-thread runtime if it is polled on another thread than at first; if the layer is
/// [closed](crate::FiberHandle::close) and the service's error is no `BoxError`; and with a
/// [`grace`](crate::FiberLayerBuilder::grace) on a runtime without timers.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, Request>
where
    S: Service<Request, Response: Send + 'static, Error: Send + 'static, Future: 'static> + Send + 'static,
    Request: Send + 'static,
{
    // Stored in place, so that a call does not allocate for it. Its `Drop` hands over a fiber that waits, which needs
    // these bounds, and a struct must have the bounds of its `Drop`.
    call: Call<ServiceCall<S, Request>>,
}

impl<S, Request> ResponseFuture<S, Request>
where
    S: Service<Request, Response: Send + 'static, Error: Send + 'static, Future: 'static> + Send + 'static,
    Request: Send + 'static,
{
    #[inline]
    pub(crate) fn new(call: Call<ServiceCall<S, Request>>) -> Self {
        Self { call }
    }
}

impl<S, Request> Future for ResponseFuture<S, Request>
where
    S: Service<Request, Response: Send + 'static, Error: Send + 'static, Future: 'static> + Send + 'static,
    Request: Send + 'static,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.call.poll_or(cx, |closed| as_box_error(closed).map(Err))
    }
}

impl<S, Request> fmt::Debug for ResponseFuture<S, Request>
where
    S: Service<Request, Response: Send + 'static, Error: Send + 'static, Future: 'static> + Send + 'static,
    Request: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("name", &self.call.name()).finish_non_exhaustive()
    }
}
