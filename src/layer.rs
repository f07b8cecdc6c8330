//! [`FiberLayer`] and its builder.

use std::{any::type_name, fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{
    FiberHandle, FiberPool, FiberService, InFiber, OnDrop,
    error::ConfigError,
    raw::{Stacks, Watcher},
    settings::{Leave, Placement, STACKS, Settings},
};

/// Smallest usable stack: a panic with its hook and a backtrace needs more than 16 KiB.
const MIN_STACK_SIZE: usize = 64 * 1024;
/// Largest usable stack, so that sums of sizes do not overflow and a typing error is found.
const MAX_STACK_SIZE: usize = 1024 * 1024 * 1024;
/// Most fibers of a limit.
const MAX_FIBERS: usize = tokio::sync::Semaphore::MAX_PERMITS;

/// Runs each call of the wrapped service in a fiber, so that synchronous code anywhere below it may wait by
/// [`await_in_fiber`](crate::await_in_fiber).
///
/// It wraps services that work synchronously in `call` ([`sync_fn`](crate::sync_fn)) and async services whose futures reach
/// synchronous code further down (an axum `Router`, a tonic server). State belongs to the layer: clones of it, and all
/// services that it makes, share name and counters.
///
/// Put it innermost: whatever is scoped by `poll` (tracing, task-locals, time-outs, catch-panic) belongs outside of it.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tower::{Service as _, ServiceBuilder};
/// use tower_fiber::{FiberLayer, WaitExt as _, sync_fn};
///
/// fn handler(name: &str) -> Result<String, Infallible> {
///     tokio::time::sleep(Duration::from_millis(1)).wait();
///     Ok(format!("hello {name}"))
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let mut service = ServiceBuilder::new().layer(FiberLayer::new()).service(sync_fn(handler));
/// assert_eq!(service.call("world").await.unwrap(), "hello world");
/// # }
/// ```
#[derive(Clone)]
pub struct FiberLayer {
    settings: Settings,
    watcher: Watcher,
}

impl FiberLayer {
    /// A layer with all defaults: no name, stacks of 2 MiB, [`OnDrop::Finish`], placement by the runtime's flavor.
    #[must_use]
    pub fn new() -> Self {
        Self::with_settings(Settings::default_layer())
    }

    fn with_settings(settings: Settings) -> Self {
        let watcher = Watcher::new(Arc::clone(&settings.meta));
        Self { settings, watcher }
    }

    /// Settings for a layer.
    pub fn builder() -> FiberLayerBuilder {
        FiberLayerBuilder {
            name: None,
            stacks: STACKS,
            on_drop: OnDrop::Finish,
            grace: None,
            placement: None,
            placed_twice: false,
        }
    }

    /// Runs `f` in a fiber with this layer's settings, like [`run_in_fiber`](crate::run_in_fiber).
    ///
    /// # Cancel safety
    ///
    /// As the layer's [`OnDrop`] says. Before the first poll, `f` is dropped unrun.
    ///
    /// # Panics
    ///
    /// The future panics as that of [`run_in_fiber`](crate::run_in_fiber) does, and if the layer is
    /// [closed](FiberHandle::close) or has a [`grace`](FiberLayerBuilder::grace) and the caller's runtime no timers.
    pub fn run<F, R>(&self, f: F) -> InFiber<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        InFiber::new(f, &self.settings, type_name::<F>())
    }

    /// What runs under this layer and is no way to look at it.
    #[cfg(feature = "axum")]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A view of the fibers that run under this layer.
    #[must_use]
    pub fn handle(&self) -> FiberHandle {
        FiberHandle::new(self.watcher.clone())
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
        FiberService::with_settings(service, self.settings.clone())
    }
}

impl fmt::Debug for FiberLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberLayer")
            .field("name", &self.settings.meta.name)
            .field("stack_size", &self.settings.meta.stack_size)
            .field("max_fibers", &self.settings.meta.limit.as_ref().map(|limit| limit.max))
            .field("placement", &self.settings.placement)
            .field("on_drop", &self.settings.leave.on_drop)
            .field("grace", &self.settings.leave.grace)
            .finish()
    }
}

/// Settings of a [`FiberLayer`]. They are checked by [`build`](Self::build).
///
/// # Examples
///
/// ```
/// use tower_fiber::{FiberLayer, OnDrop};
///
/// let layer = FiberLayer::builder().name("orders").stack_size(512 * 1024).on_drop(OnDrop::Cancel).build()?;
/// assert!(FiberLayer::builder().stack_size(0).build().is_err());
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct FiberLayerBuilder {
    name: Option<String>,
    stacks: Stacks,
    on_drop: OnDrop,
    grace: Option<Duration>,
    placement: Option<Placement>,
    placed_twice: bool,
}

impl FiberLayerBuilder {
    /// What the layer is called in messages and events. Without a name they say the service's type.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Usable bytes of each stack; 2 MiB by default, as a std thread has. Only touched pages take memory.
    ///
    /// At least 64 KiB (a panic with its hook and a backtrace needs more than 16 KiB), at most 1 GiB; rounded up to whole
    /// pages.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stacks.size = bytes;
        self
    }

    /// How many fibers of the layer there may be at once; without a limit by default.
    ///
    /// At the limit [`poll_ready`](crate::FiberService#back-pressure) is pending, and so is the future of [`FiberLayer::run`]; whoever
    /// came first goes on first when a fiber has ended. It counts fibers, not requests: one whose response was
    /// dropped counts until it has ended, an async service that is pending with no synchronous code below it does not (and queues
    /// again when it is polled again), and a call made inside a fiber of the same layer needs no place of its own. A leaked fiber keeps its
    /// place.
    ///
    /// axum asks a layer whether it is ready *inside* each request's task, so requests wait there, each with its connection. To refuse
    /// them instead, put tower's `LoadShed` directly outside of this layer (around a `Router` it would shed nothing, since a
    /// `Router` is always ready):
    ///
    /// ```
    /// use axum::{BoxError, Router, error_handling::HandleErrorLayer, http::StatusCode, routing::get};
    /// use tower::ServiceBuilder;
    /// use tower_fiber::FiberLayer;
    ///
    /// # fn handler() {}
    /// let fibers = FiberLayer::builder().max_fibers(1000).build()?;
    /// let app: Router = Router::new().route("/", get(|| async {})).layer(
    ///     ServiceBuilder::new()
    ///         .layer(HandleErrorLayer::new(|_: BoxError| async { StatusCode::SERVICE_UNAVAILABLE }))
    ///         .load_shed()
    ///         .layer(fibers),
    /// );
    /// # Ok::<(), tower_fiber::error::ConfigError>(())
    /// ```
    pub fn max_fibers(mut self, fibers: usize) -> Self {
        self.stacks.max_fibers = Some(fibers);
        self
    }

    /// Whether each stack is wiped when its fiber has ended, for those who fear that secrets on it could be read later through a bug in
    /// foreign code; `false` by default. It costs each call a system call and the touching of fresh pages. A leaked fiber's stack is
    /// not wiped.
    pub fn stack_hygiene(mut self, wipe: bool) -> Self {
        self.stacks.hygiene = wipe;
        self
    }

    /// What becomes of a fiber whose response future is dropped; [`OnDrop::Finish`] by default.
    pub fn on_drop(mut self, policy: OnDrop) -> Self {
        self.on_drop = policy;
        self
    }

    /// How long a fiber whose response future is dropped may go on before [`OnDrop::Cancel`] or [`OnDrop::Unwind`]
    /// cancels it; zero by default. The time is the caller's runtime's, which must have timers (`enable_time`): a call
    /// under one that has none panics. It ends early when that runtime does.
    ///
    /// [`cancel_all`](crate::FiberHandle::cancel_all) does not wait for it.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Runs fibers on the process-wide [`FiberPool`] under every runtime.
    pub fn pooled(self) -> Self {
        self.place(Placement::Pool(None))
    }

    /// Runs fibers on `pool` under every runtime.
    pub fn on_pool(self, pool: FiberPool) -> Self {
        self.place(Placement::Pool(Some(pool)))
    }

    /// Runs fibers on the calling thread under every runtime. On a multi-thread runtime calls must then be made inside a
    /// tokio `LocalSet`; elsewhere they panic.
    pub fn in_place(self) -> Self {
        self.place(Placement::InPlace)
    }

    fn place(mut self, placement: Placement) -> Self {
        if self.placement.replace(placement).is_some() {
            self.placed_twice = true;
        }
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// If the name is empty, the stack size or the number of fibers out of range, a `grace` was set that nothing ends ([`OnDrop::Finish`]), or
    /// more than one placement was chosen.
    pub fn build(self) -> Result<FiberLayer, ConfigError> {
        if self.name.as_deref() == Some("") {
            return Err(ConfigError::new("the name of a FiberLayer is empty: leave it out or choose one"));
        }
        if !(MIN_STACK_SIZE..=MAX_STACK_SIZE).contains(&self.stacks.size) {
            return Err(ConfigError::new(format!(
                "stack_size is {} bytes: choose from {MIN_STACK_SIZE} (64 KiB) to {MAX_STACK_SIZE} (1 GiB)",
                self.stacks.size
            )));
        }
        if let Some(fibers) = self.stacks.max_fibers.filter(|fibers| !(1..=MAX_FIBERS).contains(fibers)) {
            return Err(ConfigError::new(format!(
                "max_fibers is {fibers}: choose from 1 to {MAX_FIBERS}, or leave it out for no limit"
            )));
        }
        if self.placed_twice {
            return Err(ConfigError::new(
                "more than one placement was chosen: use one of `pooled`, `on_pool` and `in_place`, once",
            ));
        }
        if self.grace.is_some() && self.on_drop == OnDrop::Finish {
            return Err(ConfigError::new(
                "`grace` has no use with OnDrop::Finish, which never cancels: choose OnDrop::Cancel or OnDrop::Unwind, or \
                 leave it out",
            ));
        }
        let leave = Leave { on_drop: self.on_drop, grace: self.grace.unwrap_or_default() };
        let placement = self.placement.unwrap_or_default();
        Ok(FiberLayer::with_settings(Settings::new(self.name.as_deref(), self.stacks, placement, leave)))
    }
}
