//! [`FiberLayer`].

mod builder;
mod counters;
#[cfg(all(feature = "signal", unix))]
mod dump_on_signal;
mod ext;
pub mod future;
mod handle;
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
mod observed;
mod service;
mod setters;
mod sync_fn;

use std::{any::type_name, fmt, sync::Arc};

use tower_layer::Layer;

#[cfg(all(feature = "signal", unix))]
pub use self::dump_on_signal::{DumpFormat, DumpOnSignal};
#[cfg(feature = "tower")]
pub use self::ext::ServiceBuilderExt;
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) use self::observed::Observed;
pub use self::{
    builder::FiberLayerBuilder,
    counters::Counters,
    ext::ServiceExt,
    handle::FiberHandle,
    service::FiberService,
    sync_fn::{SyncFn, sync_fn},
};
use crate::{fiber::Observer, run::InFiber, settings::Settings};

/// Runs each call of the wrapped service in a fiber, so that synchronous code anywhere below it may wait with
/// [`await_in_fiber`](crate::await_in_fiber).
///
/// It wraps services that work synchronously in `call` ([`sync_fn`](crate::sync_fn)) and async services whose futures
/// reach synchronous code further down (an axum `Router`, a tonic server).
///
/// Settings that cannot fail are methods of the layer; [`builder`](Self::builder) has all settings. Clones of a layer
/// and the services that it makes share its name, limit and counters. A setter returns a separate layer, which shares
/// nothing with clones, services and handles made before: change settings first.
///
/// Put it innermost. Layers whose scope is a `poll` (tracing, task-locals, time-outs, catch-panic) belong outside it.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tower::{Service as _, ServiceBuilder};
/// use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, sync_fn};
///
/// fn handler(name: &str) -> Result<String, Infallible> {
///     tokio::time::sleep(Duration::from_millis(1)).wait();
///     Ok(format!("hello {name}"))
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let layer = FiberLayer::new().name("hello").on_drop(OnDrop::Cancel);
/// let mut service = ServiceBuilder::new().layer(layer).service(sync_fn(handler));
/// assert_eq!(service.call("world").await.unwrap(), "hello world");
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct FiberLayer {
    settings: Arc<Settings>,
    observer: Observer,
    /// The builder that the settings were made from.
    builder: Arc<FiberLayerBuilder>,
}

impl FiberLayer {
    /// Makes a layer with all defaults: no name, stacks of 2 MiB, [`OnDrop::Finish`](crate::OnDrop::Finish), placement
    /// by the runtime's flavor.
    pub fn new() -> Self {
        Self::of(FiberLayerBuilder::new())
    }

    /// `builder` has been checked, or has only settings that cannot fail.
    fn of(builder: FiberLayerBuilder) -> Self {
        let settings = builder.settings();
        let observer = Observer::new(Arc::clone(&settings.shared));
        Self { settings: Arc::new(settings), observer, builder: Arc::new(builder) }
    }

    /// Returns a builder with all settings of a layer.
    pub fn builder() -> FiberLayerBuilder {
        FiberLayerBuilder::new()
    }

    /// Runs `f` in a fiber with this layer's settings, like [`run_in_fiber`](crate::run_in_fiber).
    ///
    /// # Cancel safety
    ///
    /// The fiber does what the layer's [`OnDrop`](crate::OnDrop) says. If the future is dropped before its first poll,
    /// `f` is dropped unrun.
    ///
    /// # Panics
    ///
    /// The future panics where that of [`run_in_fiber`](crate::run_in_fiber) does. It also panics if the layer is
    /// [closed](FiberHandle::close), and if the layer has a [`grace`](FiberLayerBuilder::grace) and the caller's
    /// runtime has no timers.
    pub fn run<F, R>(&self, f: F) -> InFiber<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        InFiber::new(f, &self.settings, type_name::<F>())
    }

    /// Unlike the layer, the settings do not count as a view of its fibers.
    #[cfg(any(feature = "axum", feature = "stream"))]
    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Returns a view of the fibers that run under this layer.
    #[must_use]
    pub fn handle(&self) -> FiberHandle {
        FiberHandle::new(self.observer.clone())
    }
}

impl Default for FiberLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for FiberLayer {
    type Service = FiberService<S>;

    fn layer(&self, service: S) -> FiberService<S> {
        FiberService::with_settings(service, Arc::clone(&self.settings))
    }
}

impl fmt::Debug for FiberLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FiberLayerBuilder { name, stacks, on_drop, grace, placement, detector, .. } = &*self.builder;
        f.debug_struct("FiberLayer")
            .field("name", name)
            .field("stack_size", &self.settings.shared.stack_size)
            .field("max_fibers", &stacks.max_fibers)
            .field("placement", placement)
            .field("on_drop", on_drop)
            .field("grace", &grace.unwrap_or_default())
            .field("detect_blocking", detector)
            .finish()
    }
}
