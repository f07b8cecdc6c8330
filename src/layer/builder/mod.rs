//! [`FiberLayerBuilder`].

mod build;

use std::time::Duration;

use tokio::task::LocalKey;

use crate::{
    context::{Hook, Scopes},
    diagnostics::BlockingDetector,
    fiber::Stacks,
    settings::{OnDrop, Placement, STACKS},
};

/// All settings of a [`FiberLayer`](crate::FiberLayer), checked by [`build`](Self::build).
///
/// The settings that cannot fail are also methods of the layer itself: `FiberLayer::new().name("orders")`.
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
    pub(super) name: Option<String>,
    pub(super) stacks: Stacks,
    pub(super) on_drop: OnDrop,
    pub(super) grace: Option<Duration>,
    pub(super) placement: Placement,
    scopes: Scopes,
    #[cfg(feature = "metrics")]
    metrics: bool,
    pub(super) detector: Option<BlockingDetector>,
}

impl FiberLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: None,
            stacks: STACKS,
            on_drop: OnDrop::Finish,
            grace: None,
            placement: Placement::Auto,
            scopes: Scopes::default(),
            #[cfg(feature = "metrics")]
            metrics: false,
            detector: None,
        }
    }

    /// Sets the layer's name in messages and events. Without a name, or with an empty one, they show the service's
    /// type.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into()).filter(|name| !name.is_empty());
        self
    }

    /// Sets the usable bytes of each stack; 2 MiB by default, as a std thread has. Only touched pages take memory.
    ///
    /// At least 64 KiB (a panic with its hook and a backtrace needs more than 16 KiB), at most 1 GiB; rounded up to
    /// whole pages.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stacks.size = bytes;
        self
    }

    /// Limits how many fibers of the layer exist at once; no limit by default.
    ///
    /// At the limit [`poll_ready`](crate::FiberService#back-pressure) is pending, and so is the future of
    /// [`FiberLayer::run`](crate::FiberLayer::run); callers are served first come, first served. The limit counts
    /// fibers, not requests:
    ///
    /// * A fiber whose response was dropped counts until it has ended; a leaked fiber counts for ever.
    /// * An async service that is pending with no synchronous code below it does not count. When it is polled again, it
    ///   goes before new calls.
    /// * A call that is made and awaited inside a fiber of the same layer shares that fiber's permit. If it is left
    ///   behind (a time-out elapsed, it lost a [`race`](crate::race)), it counts as a fiber of its own from then on:
    ///   new calls wait until there are fewer than `fibers` again, and further calls inside wait while there are twice
    ///   as many.
    ///
    /// So at most `fibers` calls run that were made outside the layer's fibers, beside at most `fibers` that were left
    /// behind inside, and those that are awaited inside one of these. Streams, bodies and websockets that calls of the
    /// layer have made take no permit either: the `_with` forms of the functions that make them do.
    ///
    /// axum asks a layer whether it is ready *inside* each request's task, so requests wait there, each with its
    /// connection. To refuse them instead, put tower's `LoadShed` directly outside this layer (around a `Router` it
    /// would shed nothing, since a `Router` is always ready):
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

    /// Wipes each stack when its fiber has ended, so that a later bug cannot read secrets from it; `false` by default.
    /// It costs each call a system call and page faults. A leaked fiber's stack is not wiped.
    pub fn stack_hygiene(mut self, wipe: bool) -> Self {
        self.stacks.hygiene = wipe;
        self
    }

    /// Sets what happens to a fiber whose response future is dropped; [`OnDrop::Finish`] by default.
    pub fn on_drop(mut self, policy: OnDrop) -> Self {
        self.on_drop = policy;
        self
    }

    /// Sets how long a fiber whose response future is dropped may go on before [`OnDrop::Cancel`] or [`OnDrop::Unwind`]
    /// cancels it; zero by default. The caller's runtime measures the time, and must have timers (`enable_time`):
    /// without them a call panics. The time ends early if that runtime ends.
    ///
    /// [`cancel_all`](crate::FiberHandle::cancel_all) does not wait for it.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Lets a tokio task-local follow each call into its fiber, also on the pool and after the caller has gone. Any
    /// number of them can be carried.
    ///
    /// The fiber begins with a clone of the value where the call is first polled, or else where the call was made, if
    /// either has a value. The value belongs to the fiber: changes (in a `Cell`) outlast a wait, and no other task sees
    /// them. The fibers that it makes and the closures that it offloads begin with clones, so put a large value into an
    /// `Arc`. A wait in the value's `Clone` is refused.
    ///
    /// A wait that would suspend inside `KEY.with(|value| ..)` is refused: clone what you need, and wait afterwards. A
    /// wait inside `KEY.sync_scope(value, ..)` is also refused in a fiber that began without a value, since tokio takes
    /// a value off the thread only in exchange for another: set one outside the layer.
    ///
    /// A task-local that is not carried can be read in place while the caller waits, but not on the pool.
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
    /// let layer = FiberLayer::new().carry(&REQUEST);
    /// let seen = REQUEST.scope(7, layer.run(|| {
    ///     tokio::task::yield_now().wait();
    ///     REQUEST.get()
    /// }));
    /// assert_eq!(seen.await, 7);
    /// # }
    /// ```
    pub fn carry<T: Clone + Send + 'static>(mut self, key: &'static LocalKey<T>) -> Self {
        self.scopes.carry(key);
        self
    }

    /// Adds a [`Hook`], which lets other context follow each call. Any number of hooks can be added.
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.scopes.hook(hook);
        self
    }

    /// Counts and measures the layer's calls through the `metrics` facade: see [`metrics`](crate::metrics). Off by
    /// default.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self) -> Self {
        self.metrics = true;
        self
    }

    /// Sets where fibers run; [`Placement::Auto`] by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_fiber::{FiberLayer, FiberPool, Placement};
    ///
    /// let in_place = FiberLayer::new().placement(Placement::InPlace);
    /// let pool = FiberPool::builder().worker_threads(2).build()?;
    /// let on_pool = FiberLayer::new().placement(pool);
    /// # Ok::<(), tower_fiber::error::ConfigError>(())
    /// ```
    pub fn placement(mut self, placement: impl Into<Placement>) -> Self {
        self.placement = placement.into();
        self
    }

    /// Lets libc's blocking calls suspend the layer's fibers, so that unmodified code waits: see
    /// [`interpose`](crate::interpose). Off by default.
    ///
    /// Linux on x86-64 and aarch64 only: [`build`](Self::build) fails elsewhere, and in programs whose calls do not
    /// lead to this crate.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io::{Read as _, Write as _}, net::{self, TcpListener, TcpStream}};
    /// use tower_fiber::FiberLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = FiberLayer::builder().interpose().build()?;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    ///
    /// // Client and server are plain std code, on one thread.
    /// let server = layer.run(move || std::io::copy(&mut listener.accept()?.0, &mut std::io::sink()));
    /// let client = layer.run(move || {
    ///     let mut stream = TcpStream::connect(address)?;
    ///     stream.write_all(b"hello")?;
    ///     stream.shutdown(net::Shutdown::Write)?;
    ///     stream.read(&mut [0]) // the end
    /// });
    /// let (received, end) = tokio::join!(server, client);
    /// assert_eq!((received?, end?), (5, 0));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "interpose")]
    pub fn interpose(mut self) -> Self {
        self.stacks.interposes = true;
        self
    }

    /// Counts fibers that block their thread, and logs a warning while they do: see [`BlockingDetector`]. Off by
    /// default.
    ///
    /// Inside another fiber, a fiber of this layer is watched separately; a fiber of a layer without a detector counts
    /// as code of the fiber around it.
    pub fn detect_blocking(mut self, detector: impl Into<BlockingDetector>) -> Self {
        self.detector = Some(detector.into());
        self
    }
}
