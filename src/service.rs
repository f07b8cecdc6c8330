//! [`FiberService`].

use std::{
    any::type_name,
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use crate::{
    FiberLayer,
    call::{Call, ServiceCall},
    future::ResponseFuture,
    settings::Settings,
};

/// Runs each call of `S` in a fiber; made by [`FiberLayer`].
///
/// Errors of `S` pass through unchanged. `S`, its requests, responses and errors must be `Send`; its futures need not be,
/// since a fiber never leaves the thread on which it builds and polls them. `S` must be `Clone` and everything `'static`. If
/// the compiler finds no method `call`, one of these bounds is missing.
#[derive(Clone)]
pub struct FiberService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> FiberService<S> {
    /// Wraps `inner` with a [`FiberLayer`] of its own that has all defaults.
    pub fn new(inner: S) -> Self {
        tower_layer::Layer::layer(&FiberLayer::new(), inner)
    }

    pub(crate) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Request> Service<Request> for FiberService<S>
where
    S: Service<Request, Response: Send + 'static, Error: Send + 'static, Future: 'static> + Clone + Send + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> ResponseFuture<S, Request> {
        // The instance that was polled ready is the one to be called; its clone is not ready by inheritance.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        let job = ServiceCall { service, request };
        ResponseFuture::new(Call::new(job, Arc::clone(&self.settings), type_name::<S>()))
    }
}

impl<S: fmt::Debug> fmt::Debug for FiberService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberService").field("inner", &self.inner).field("name", &self.settings.meta.name).finish()
    }
}
