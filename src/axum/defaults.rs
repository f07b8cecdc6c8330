//! The settings of handlers and middleware: their own layer's, those of [`fiber_defaults`], or the defaults.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Extension, extract::Request};

use crate::{layer::FiberLayer, settings::Settings};

/// Whether [`fiber_defaults`] was ever called: requests are searched for its settings only then.
static IS_IN_USE: AtomicBool = AtomicBool::new(false);

/// Gives the settings of `layer` to all [`fiber`](super::fiber) handlers and
/// [`from_sync_fn`](super::from_sync_fn) middleware of a `Router` that have no layer of their own. They share its name,
/// limit and counters.
///
/// Add it last, since it reaches what was added before it. One that is added to a part of the `Router` replaces an
/// outer one there. The bodies, events and websockets that such a handler makes belong to the layer, too. Handlers of
/// [`blocking`](super::blocking) have no such settings.
///
/// The settings travel in an [extension](axum::http::Extensions) of the request: middleware that calls the code below
/// with a new request must take the extensions over.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::{FiberLayer, OnDrop, axum::{Next, fiber, fiber_defaults, from_sync_fn}};
/// # fn authenticate(request: axum::extract::Request, next: Next) -> axum::response::Response { next.run(request) }
///
/// let layer = FiberLayer::builder().name("shop").on_drop(OnDrop::Cancel).max_fibers(1000).build()?;
/// let app: Router = Router::new()
///     .route("/", get(fiber(|| "hello")))
///     .layer(from_sync_fn(authenticate))
///     .layer(fiber_defaults(&layer));
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
pub fn fiber_defaults(layer: &FiberLayer) -> Extension<OfLayer> {
    IS_IN_USE.store(true, Ordering::Relaxed);
    Extension(OfLayer::new(layer))
}

/// The settings of a [`FiberHandler`](super::FiberHandler): [`Defaults`] or [`OfLayer`].
pub trait HandlerSettings: sealed::Sealed + Clone + Send + Sync + 'static {}

pub(super) mod sealed {
    use axum::extract::Request;

    use super::OfLayer;

    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {
        /// The layer's settings; `None` for the defaults.
        fn layer(&self) -> Option<&OfLayer>;

        /// The settings that take the place of these for this request.
        fn of_request(request: &Request) -> Option<OfLayer>;
    }
}

/// All defaults. The type is zero-sized because axum clones a handler for each request; the clone then allocates
/// nothing.
#[derive(Clone, Debug)]
pub struct Defaults;

impl HandlerSettings for Defaults {}

impl sealed::Sealed for Defaults {
    #[inline]
    fn layer(&self) -> Option<&OfLayer> {
        None
    }

    #[inline]
    fn of_request(request: &Request) -> Option<OfLayer> {
        OfLayer::of_request(request)
    }
}

/// The settings of a layer.
#[derive(Clone, Debug)]
pub struct OfLayer(Arc<Settings>);

impl OfLayer {
    pub(super) fn new(layer: &FiberLayer) -> Self {
        Self(Arc::clone(layer.settings()))
    }

    /// The settings of a layer, or else the defaults.
    #[inline]
    pub(super) fn or_defaults(layer: Option<&Self>) -> &Settings {
        match layer {
            Some(layer) => &layer.0,
            None => Settings::process_wide(),
        }
    }

    /// What [`fiber_defaults`] has put into the request.
    #[inline]
    pub(super) fn of_request(request: &Request) -> Option<Self> {
        if IS_IN_USE.load(Ordering::Relaxed) { request.extensions().get().cloned() } else { None }
    }
}

impl HandlerSettings for OfLayer {}

impl sealed::Sealed for OfLayer {
    #[inline]
    fn layer(&self) -> Option<&OfLayer> {
        Some(self)
    }

    #[inline]
    fn of_request(_: &Request) -> Option<Self> {
        None
    }
}
