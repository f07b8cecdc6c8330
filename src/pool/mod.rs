//! Pinned workers for fibers of multi-thread runtimes.

mod builder;
mod heartbeat;
mod inbox;
mod member;
mod parker;
mod state;
mod task;
mod watcher;
mod worker;
mod workers;

use std::{
    fmt,
    sync::{Arc, OnceLock},
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
/// A call is given to the first worker as long as that has little to do, then to the one that has least. A worker that
/// is blocked, or computes without a wait, is found out within some two milliseconds: it gets no more calls while
/// another is free, and calls that wait behind it without having begun are taken over. Those that have begun stay and
/// wait; so code that blocks or computes for long still belongs into [`offload`](crate::offload).
///
/// Clones are handles of the same pool. When the last handle is dropped, and with it the last layer that uses it and
/// the last response of that layer, the workers end as soon as their fibers have ended. A
/// [`FiberHandle`](crate::FiberHandle) keeps no pool. Most programs need none of their own: layers on multi-thread
/// runtimes share one, which is created when it is first needed, has as many workers as there are cores, and lives as
/// long as the process.
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
    /// Settings for a pool of one's own.
    pub fn builder() -> FiberPoolBuilder {
        FiberPoolBuilder::new()
    }

    /// The pool of all layers that name none.
    pub(crate) fn process_wide() -> &'static Self {
        static POOL: OnceLock<FiberPool> = OnceLock::new();
        POOL.get_or_init(|| {
            let pool = Self::builder().build().unwrap_or_else(|error| panic!("no pool for fibers: {error}"));
            #[cfg(feature = "tracing")]
            tracing::info!(threads = pool.worker_threads(), "started the process-wide pool for fibers");
            pool
        })
    }

    /// How many workers the pool has.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        self.shared.workers.members().len()
    }

    /// Whether this thread is one of the pool's workers.
    pub(crate) fn has_current(&self) -> bool {
        Worker::is_current_of(&self.shared.workers)
    }

    /// Hands a task to a worker. The response is to be polled at once, with the same waker.
    pub(crate) fn spawn<B: Body>(&self, body: B, cx: &Context<'_>) -> Response<B> {
        let (task, response) = task::with_caller(body, cx);
        self.shared.workers.start(task);
        response
    }
}

impl fmt::Debug for FiberPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberPool").field("threads", &self.worker_threads()).finish_non_exhaustive()
    }
}
