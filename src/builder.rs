//! [`FiberLayerBuilder`].

use std::time::Duration;

use tokio::task::LocalKey;

use crate::{
    FiberLayer, FiberPool, Hook, OnDrop, Watch,
    context::Attendants,
    error::ConfigError,
    raw::Stacks,
    settings::{Placement, STACKS, Settings},
};

/// Smallest usable stack: a panic with its hook and a backtrace needs more than 16 KiB.
const MIN_STACK_SIZE: usize = 64 * 1024;
/// Largest usable stack, so that sums of sizes do not overflow and a typing error is found.
const MAX_STACK_SIZE: usize = 1024 * 1024 * 1024;
/// Most fibers of a limit.
const MAX_FIBERS: usize = tokio::sync::Semaphore::MAX_PERMITS;

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
    attendants: Attendants,
    require_await: Option<Duration>,
    #[cfg(feature = "metrics")]
    metrics: bool,
    pub(crate) watch: Option<Watch>,
}

impl FiberLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: None,
            stacks: STACKS,
            on_drop: OnDrop::Finish,
            grace: None,
            placement: None,
            placed_twice: false,
            attendants: Attendants::default(),
            require_await: None,
            #[cfg(feature = "metrics")]
            metrics: false,
            watch: None,
        }
    }

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

    /// Lets a task-local of tokio's follow each call into its fiber, on the pool too and after the caller has gone. Any number can be carried.
    ///
    /// The fiber begins with a clone of the value that is set where the call is first polled, or else where it was made; if there is none,
    /// it has none. The value stays with the fiber: what the code changes in it (in a `Cell`) is there after a wait, and other tasks never
    /// see it.
    ///
    /// A wait that would suspend while the code borrows the value (inside `KEY.with(|value| ..)`) is refused: clone what you need, and
    /// wait afterwards. To find that out, each suspend clones the value once; put a large one into an `Arc`.
    ///
    /// A task-local that is not carried can be read in place, as long as the caller waits, and not on the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_fiber::{FiberLayer, WaitExt as _};
    ///
    /// tokio::task_local!(static REQUEST: u64);
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// let layer = FiberLayer::builder().carry(&REQUEST).build().unwrap();
    /// let seen = REQUEST.scope(7, layer.run(|| {
    ///     tokio::task::yield_now().wait();
    ///     REQUEST.get()
    /// }));
    /// assert_eq!(seen.await, 7);
    /// # }
    /// ```
    pub fn carry<T: Clone + Send + 'static>(mut self, key: &'static LocalKey<T>) -> Self {
        self.attendants.carry(key);
        self
    }

    /// Lets context of another kind follow each call: see [`Hook`]. Any number can be added.
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.attendants.hook(hook);
        self
    }

    /// Reports calls that took at least this long and were never suspended, to find the code that still blocks; off by default.
    ///
    /// A wait that was ready at once does not count as one. A call of an async service waits whenever it is pending. Such calls
    /// are counted in [`Counters::never_waited`](crate::Counters::never_waited), and with the feature `tracing` a warning names the
    /// service and the time: one in 5 seconds for each layer, which also says how many were only counted since the last one. It costs each call two
    /// readings of the clock and some allocations.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use tower_fiber::FiberLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let limit = Duration::from_millis(5);
    /// let layer = FiberLayer::builder().name("thumbnails").require_await(limit).build().unwrap();
    /// let burn = move || {
    ///     let begun = Instant::now();
    ///     while begun.elapsed() <= limit {}
    /// };
    /// layer.run(burn).await;
    /// assert_eq!(layer.handle().counters().never_waited, 1);
    /// # }
    /// ```
    pub fn require_await(mut self, limit: Duration) -> Self {
        self.require_await = Some(limit);
        self
    }

    /// Counts and measures the layer's calls through the `metrics` facade: see [`metrics`](crate::metrics). Off by default, when it costs nothing.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self) -> Self {
        self.metrics = true;
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
    /// If the name is empty, the stack size, the number of fibers or the threshold of the watch out of range, `require_await` zero, a `grace` was set that nothing ends ([`OnDrop::Finish`]), or
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
        if self.require_await.is_some_and(|limit| limit.is_zero()) {
            return Err(ConfigError::new(
                "require_await is zero, which every call takes: choose from how long on a call should wait, or leave it out",
            ));
        }
        let mut attendants = self.attendants;
        attendants.require_await(self.require_await);
        #[cfg(feature = "metrics")]
        if self.metrics {
            attendants.measure(self.name.as_deref());
        }
        let sentry = self.watch.map(Watch::sentry).transpose()?;
        let conduct = self.on_drop.conduct(self.grace.unwrap_or_default());
        let placement = self.placement.unwrap_or_default();
        Ok(FiberLayer::with_settings(Settings::new(
            self.name.as_deref(),
            self.stacks,
            placement,
            conduct,
            attendants,
            sentry,
        )))
    }
}
