//! [`BlockingLayer`] and its settings.

use std::{any::type_name, sync::Arc};

use tokio::{runtime::Handle, sync::Semaphore};
use tower_layer::Layer;

use super::{
    BlockingService,
    call::{InBlocking, Refused, Threads},
    handle::BlockingHandle,
};
use crate::error::ConfigError;

/// Runs each call of the wrapped service on tokio's blocking pool, where its waits block the thread. It is the
/// counterpart of [`FiberLayer`](crate::FiberLayer) for code that burns CPU or really blocks.
///
/// The same code runs under both layers; here [`await_in_fiber`](crate::await_in_fiber) blocks the thread. Clones of
/// the layer and the services that it makes share its limit.
///
/// The caller's `tracing` span and dispatcher follow the call. A call that is made in a fiber also takes along the
/// carried task-locals and hooks of that fiber's layer, as in [`offload`](crate::offload).
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, ServiceExt as _};
/// use tower_fiber::{BlockingLayer, WaitExt as _, sync_fn};
///
/// fn digest(text: String) -> Result<u32, Infallible> {
///     let salt = async { 7 }.wait(); // blocks this thread of the pool
///     Ok(text.bytes().fold(salt, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = BlockingLayer::builder().max_threads(4).build()?;
/// let service = ServiceBuilder::new().layer(layer).service(sync_fn(digest));
/// assert_eq!(service.oneshot("a".to_owned()).await?, 7 * 31 + 97);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a layer does nothing until it is applied"]
pub struct BlockingLayer {
    threads: Threads,
}

impl BlockingLayer {
    /// Makes a layer with all defaults. It uses the blocking pool of the caller's runtime, and has no limit but that
    /// pool's: 512 threads, or what the runtime's builder has set by `max_blocking_threads`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a builder for a layer.
    pub fn builder() -> BlockingLayerBuilder {
        BlockingLayerBuilder { max_threads: None, runtime: None }
    }

    /// Returns a handle that observes and ends the layer's calls.
    #[must_use]
    pub fn handle(&self) -> BlockingHandle {
        BlockingHandle::new(&self.threads.in_flight)
    }

    /// Runs `f` on the blocking pool with this layer's settings.
    ///
    /// Inside a fiber, `await_in_fiber(layer.run(f))` is [`offload`](crate::offload) with those settings.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while `f` runs, `f` runs to its end, and [`caller_gone`](crate::caller_gone) tells it.
    /// If `f` has not begun, it is dropped without being run.
    ///
    /// # Panics
    ///
    /// The future panics if `f` does, with the same payload; if the layer is [closed](BlockingHandle::close); outside a
    /// tokio runtime, unless the layer has its own; and when that runtime is shutting down.
    pub fn run<F, R>(&self, f: F) -> InBlocking<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let refused = Refused { label: type_name::<F>(), outcome: Err };
        InBlocking::new(&self.threads, None, refused, Box::new(f))
    }
}

impl<S> Layer<S> for BlockingLayer {
    type Service = BlockingService<S>;

    fn layer(&self, service: S) -> BlockingService<S> {
        BlockingService::with_threads(service, self.threads.clone())
    }
}

/// Builds a [`BlockingLayer`]; made by [`BlockingLayer::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct BlockingLayerBuilder {
    max_threads: Option<usize>,
    runtime: Option<Handle>,
}

impl BlockingLayerBuilder {
    /// Limits the threads that the layer's calls may use at once. At the limit `poll_ready` returns `Pending`, and
    /// calls are served first come, first served. By default only the runtime's pool has a limit.
    ///
    /// A limit of the layer leaves threads of that pool to other code that blocks, such as `tokio::fs` and name
    /// resolution.
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = Some(threads);
        self
    }

    /// Sets the runtime whose blocking pool, timers and sockets the calls use. The default is the caller's.
    ///
    /// The runtime must be driven while calls wait: a multi-thread runtime always is, a current-thread runtime only
    /// inside its `block_on`.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// If `max_threads` is 0, or more than [`Semaphore::MAX_PERMITS`].
    pub fn build(self) -> Result<BlockingLayer, ConfigError> {
        match self.max_threads {
            Some(0) => return Err(ConfigError::new("max_threads is 0, so no call could ever run: allow at least one")),
            Some(threads) if threads > Semaphore::MAX_PERMITS => {
                let text = format!("max_threads is {threads}, at most {} can be counted", Semaphore::MAX_PERMITS);
                return Err(ConfigError::new(text));
            }
            _ => {}
        }
        let limit = self.max_threads.map(|threads| Arc::new(Semaphore::new(threads)));
        Ok(BlockingLayer { threads: Threads { limit, runtime: self.runtime, in_flight: Arc::default() } })
    }
}
