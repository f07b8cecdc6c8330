//! [`FiberService`].

use std::{
    any::type_name,
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use crate::{
    FiberLayer,
    call::{Call, ServiceCall},
    future::ResponseFuture,
    raw::{Admission, Ticket},
    settings::Settings,
};

/// Runs each call of `S` in a fiber; made by [`FiberLayer`].
///
/// Errors of `S` pass through unchanged. `S`, its requests, responses and errors must be `Send`; its futures need not be,
/// since a fiber never leaves the thread on which it builds and polls them. `S` must be `Clone` and everything `'static`. If
/// the compiler finds no method `call`, one of these bounds is missing.
///
/// # Back-pressure
///
/// `poll_ready` is pending while the layer's [`max_fibers`](crate::FiberLayerBuilder::max_fibers) are in use, and while no stack
/// can be had (an address-space limit, or on kernels before 6.13 the sysctl `vm.max_map_count`); it is woken in order when one
/// has been returned. It never fails for that reason.
pub struct FiberService<S> {
    inner: S,
    settings: Arc<Settings>,
    admission: Admission,
    /// What the next call begins with, since `poll_ready` was ready.
    ticket: Option<Ticket>,
}

impl<S> FiberService<S> {
    /// Wraps `inner` with a [`FiberLayer`] of its own that has all defaults.
    pub fn new(inner: S) -> Self {
        tower_layer::Layer::layer(&FiberLayer::new(), inner)
    }

    pub(crate) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings, admission: Admission::default(), ticket: None }
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
        if self.ticket.is_none() {
            let meta = &self.settings.meta;
            self.ticket = Some(ready!(self.admission.poll_ready(meta, type_name::<S>(), cx)));
        }
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> ResponseFuture<S, Request> {
        // The instance that was polled ready is the one to be called; its clone is not ready by inheritance.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        let job = ServiceCall { service, request };
        let ticket = self.ticket.take().unwrap_or_default();
        ResponseFuture::new(Call::new(job, ticket, &self.settings, type_name::<S>()))
    }
}

impl<S: Clone> Clone for FiberService<S> {
    /// The clone is not ready because this service is.
    fn clone(&self) -> Self {
        Self::with_settings(self.inner.clone(), Arc::clone(&self.settings))
    }
}

impl<S: fmt::Debug> fmt::Debug for FiberService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberService").field("inner", &self.inner).field("name", &self.settings.meta.name).finish()
    }
}
