//! [`FiberService`].

use std::{
    any::type_name,
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use crate::{
    call::{Call, ServiceCall},
    fiber::Admission,
    layer::{FiberLayerBuilder, future::ResponseFuture},
    settings::Settings,
};

/// Runs each call of `S` in a fiber; made by [`FiberLayer`](crate::FiberLayer).
///
/// Errors of `S` pass through unchanged. `S` must be `Clone`; `S`, its requests, responses and errors must be `Send`.
/// Its futures need not be, since a fiber never leaves its thread. All must be `'static`. If the compiler finds no
/// method `call`, one of these bounds is not met.
///
/// # Back-pressure
///
/// `poll_ready` asks the inner service first. When the inner service is ready, `poll_ready` is still pending while the
/// layer's [`max_fibers`](crate::FiberLayerBuilder::max_fibers) are in use, and while no stack can be had (an
/// address-space limit, or on kernels before 6.13 the sysctl `vm.max_map_count`). Callers are served first come, first
/// served.
///
/// A service that is ready holds a reservation until its call begins or the service is dropped. A reservation holds
/// *new* calls back for only some turns of the scheduler; if no permit is free after that, the service's own call waits
/// in the response future. Permits belong to fibers, so neither unused readiness nor a call that is never polled can
/// stop others. Layers with limits can be stacked in any order, also around `Buffer`, `Balance`, `Steer` and
/// `ConcurrencyLimit`.
///
/// # Differences from the inner service
///
/// A call is lazy: `inner.call` runs on the fiber when the response future is first polled. Each call clones the inner
/// service once more: the instance that was ready is called, and its clone takes its place.
#[must_use = "services do nothing unless called"]
pub struct FiberService<S> {
    inner: S,
    settings: Arc<Settings>,
    /// The reservation that `poll_ready` made for the next call.
    admission: Admission,
}

impl<S> FiberService<S> {
    /// Wraps `inner` with a [`FiberLayer`](crate::FiberLayer) of its own that has all defaults.
    pub fn new(inner: S) -> Self {
        Self::with_settings(inner, Arc::new(FiberLayerBuilder::new().settings()))
    }

    pub(crate) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings, admission: Admission::default() }
    }

    /// Returns a reference to the wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped service.
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
        // Poll the inner service first: while it waits for calls in flight, this service must not hold a reservation.
        ready!(self.inner.poll_ready(cx))?;
        self.admission.poll_ready(&self.settings.shared, type_name::<S>(), cx).map(Ok)
    }

    #[inline]
    fn call(&mut self, request: Request) -> ResponseFuture<S, Request> {
        // The instance that is ready is called; its clone is not ready.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        let job = ServiceCall { service, request };
        let admission = mem::take(&mut self.admission);
        ResponseFuture::new(Call::new(job, admission, &self.settings, type_name::<S>()))
    }
}

impl<S: Clone> Clone for FiberService<S> {
    /// The clone is not ready, even if this service is.
    fn clone(&self) -> Self {
        Self::with_settings(self.inner.clone(), Arc::clone(&self.settings))
    }
}

impl<S: fmt::Debug> fmt::Debug for FiberService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberService").field("inner", &self.inner).field("name", &self.settings.shared.name).finish()
    }
}
