//! Pinned workers for fibers of multi-thread runtimes.

mod builder;
mod heartbeat;
mod member;
mod parker;
mod queues;
mod state;
mod task;
mod watcher;
mod worker;
mod workers;

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    task::Context,
};

pub use self::builder::FiberPoolBuilder;
use self::workers::Workers;
pub(crate) use self::{
    task::{Body, Response},
    worker::Worker,
};

/// Threads that run fibers on behalf of multi-thread runtimes. A fiber stays on the thread where it began.
///
/// A call goes to the first worker that has little to do, or else to the worker that has the least. The pool notices
/// within about two milliseconds that a worker is blocked, or computes without a wait. Such a worker gets no more calls
/// while another is free, and other workers take over the calls that wait behind it and have not begun. Calls that have
/// begun stay and wait, so code that blocks or computes for long still belongs in [`offload`](crate::offload).
///
/// Clones are handles of the same pool. Once the last handle, the last layer that uses the pool and the last response
/// of that layer are dropped, the workers end as soon as their fibers have ended. A [`FiberHandle`](crate::FiberHandle)
/// does not keep the pool alive.
///
/// Most programs need no pool of their own: layers on multi-thread runtimes share one, which is created at its first
/// use, has as many workers as there are cores, and lives as long as the process.
///
/// A worker is not a tokio thread: `block_in_place`, `blocking_lock` and `task::id` panic there. Use
/// [`offload`](crate::offload), `.wait()` and [`fiber_id`](crate::fiber_id). A warning says so if such a panic ends a
/// fiber.
///
/// # Examples
///
/// ```
/// use tower_fiber::{FiberLayer, FiberPool};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), tower_fiber::error::ConfigError> {
/// let pool = FiberPool::builder().worker_threads(2).thread_name("legacy").build()?;
/// let layer = FiberLayer::new().placement(pool);
/// let name = layer.run(|| std::thread::current().name().map(str::to_owned)).await;
/// assert!(name.unwrap().starts_with("legacy-"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FiberPool {
    shared: Arc<Inner>,
}

struct Inner {
    workers: Arc<Workers>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.workers.close();
    }
}

impl FiberPool {
    /// Returns a builder for a pool of your own.
    pub fn builder() -> FiberPoolBuilder {
        FiberPoolBuilder::new()
    }

    /// The pool of all layers that do not name one.
    pub(crate) fn process_wide() -> &'static Self {
        static POOL: OnceLock<FiberPool> = OnceLock::new();
        POOL.get_or_init(|| {
            let pool =
                Self::builder().build().unwrap_or_else(|error| panic!("no pool for fibers: {} [TF17]", error.reason()));
            #[cfg(feature = "tracing")]
            tracing::info!(threads = pool.worker_threads(), "started the process-wide pool for fibers");
            pool
        })
    }

    /// Returns the number of workers.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        self.shared.workers.members().len()
    }

    /// Whether this thread is one of the pool's workers.
    pub(crate) fn has_current(&self) -> bool {
        Worker::is_current_of(&self.shared.workers)
    }

    /// Returns a reference that does not keep the pool alive.
    pub(crate) fn downgrade(&self) -> WeakFiberPool {
        WeakFiberPool(Arc::downgrade(&self.shared))
    }

    /// Hands a task to a worker. The caller must poll the response at once, with the same waker.
    pub(crate) fn spawn<B: Body>(&self, body: B, cx: &Context<'_>) -> Response<B> {
        let (task, response) = task::with_caller(body, cx);
        self.shared.workers.start(task);
        response
    }
}

/// A pool that may have ended.
#[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "only what streams goes on elsewhere"))]
pub(crate) struct WeakFiberPool(Weak<Inner>);

impl WeakFiberPool {
    #[cfg(feature = "stream")]
    pub(crate) fn upgrade(&self) -> Option<FiberPool> {
        self.0.upgrade().map(|shared| FiberPool { shared })
    }
}

impl fmt::Debug for FiberPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberPool").field("threads", &self.worker_threads()).finish_non_exhaustive()
    }
}
