//! Pinned workers for fibers of multi-thread runtimes.

mod inbox;
mod worker;

use std::{
    fmt,
    future::Future,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    thread,
};

pub(crate) use self::worker::Worker;
use crate::error::ConfigError;

/// Threads that run fibers on behalf of multi-thread runtimes. A fiber stays on the thread where it began.
///
/// Clones are handles of the same pool. When the last handle is dropped, and with it the last layer that uses it and the last
/// response of that layer, the workers end as soon as their fibers have ended. A
/// [`FiberHandle`](crate::FiberHandle) keeps no pool. Most programs need none of their own: layers on
/// multi-thread runtimes share one, which is created when it is first needed, has as many workers as there are cores, and
/// lives as long as the process.
///
/// # Examples
///
/// ```
/// use tower_fiber::{FiberLayer, FiberPool};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), tower_fiber::error::ConfigError> {
/// let pool = FiberPool::builder().threads(2).thread_name("legacy").build()?;
/// let layer = FiberLayer::builder().on_pool(pool).build()?;
/// let name = layer.run(|| std::thread::current().name().map(str::to_owned)).await;
/// assert!(name.unwrap().starts_with("legacy-"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FiberPool {
    shared: Arc<Shared>,
}

struct Shared {
    workers: Vec<Worker>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.close();
        }
    }
}

impl FiberPool {
    /// Settings for a pool of one's own.
    pub fn builder() -> FiberPoolBuilder {
        FiberPoolBuilder { threads: None, thread_name: "tower-fiber".to_owned() }
    }

    /// The pool of all layers that name none.
    pub(crate) fn process_wide() -> &'static Self {
        static POOL: OnceLock<FiberPool> = OnceLock::new();
        POOL.get_or_init(|| {
            let pool = Self::builder().build().unwrap_or_else(|error| panic!("no pool for fibers: {error}"));
            #[cfg(feature = "tracing")]
            tracing::info!(threads = pool.threads(), "started the process-wide pool for fibers");
            pool
        })
    }

    /// How many workers the pool has.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.workers.len()
    }

    /// Whether this thread is one of the pool's workers.
    pub(crate) fn has_current(&self) -> bool {
        Worker::current().is_some_and(|current| self.shared.workers.iter().any(|worker| worker.is(&current)))
    }

    /// Hands a task to the worker with the least to do.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let worker = self.shared.workers.iter().min_by_key(|worker| worker.load()).expect("a pool has a worker");
        worker.spawn(task);
    }
}

impl fmt::Debug for FiberPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberPool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

/// Settings of a [`FiberPool`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct FiberPoolBuilder {
    threads: Option<usize>,
    thread_name: String,
}

impl FiberPoolBuilder {
    /// How many workers; as many as there are cores by default.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// What the threads are called, followed by a number: `tower-fiber-0` by default.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// With no threads, with a NUL byte in the name, and when a thread cannot be started.
    pub fn build(self) -> Result<FiberPool, ConfigError> {
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
        if threads == 0 {
            return Err(ConfigError::new("a FiberPool needs at least one thread: `threads(0)` was set"));
        }
        if self.thread_name.contains('\0') {
            return Err(ConfigError::new("a thread name cannot contain a NUL byte"));
        }
        let mut shared = Shared { workers: Vec::with_capacity(threads) };
        for index in 0..threads {
            let name = format!("{}-{index}", self.thread_name);
            let worker = Worker::start(name).map_err(|error| {
                ConfigError::io(format!("could not start worker {index} of {threads}: {error}"), error)
            })?;
            shared.workers.push(worker);
        }
        Ok(FiberPool { shared: Arc::new(shared) })
    }
}
