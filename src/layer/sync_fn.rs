//! A synchronous function as a tower service.

use std::{
    any::type_name,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower_service::Service;

/// Makes a [`Service`] from a synchronous function, to be wrapped by a [`FiberLayer`](crate::FiberLayer).
///
/// It is `tower::service_fn` for synchronous functions: the function runs in `call`, and the returned future is ready.
/// Without the layer, waits in the function are refused.
///
/// # Examples
///
/// ```
/// use tower::ServiceExt as _;
/// use tower_fiber::{FiberService, sync_fn};
///
/// fn double(n: u32) -> Result<u32, &'static str> {
///     n.checked_mul(2).ok_or("too large")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(FiberService::new(sync_fn(double)).oneshot(21).await, Ok(42));
/// assert_eq!(FiberService::new(sync_fn(double)).oneshot(u32::MAX).await, Err("too large"));
/// # }
/// ```
pub fn sync_fn<F>(f: F) -> SyncFn<F> {
    SyncFn { f }
}

/// The service of [`sync_fn`].
#[derive(Clone, Copy)]
#[must_use = "services do nothing unless called"]
pub struct SyncFn<F> {
    f: F,
}

impl<F, Request, Response, Error> Service<Request> for SyncFn<F>
where
    F: FnMut(Request) -> Result<Response, Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ready((self.f)(request))
    }
}

impl<F> fmt::Debug for SyncFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncFn").field("f", &type_name::<F>()).finish()
    }
}
