//! Settings of a pool.

use std::{fmt, num::NonZeroUsize, sync::Arc, thread};

use super::{
    FiberPool, Inner,
    worker::{self, OnStart},
    workers::Workers,
};
use crate::error::ConfigError;

/// Settings of a [`FiberPool`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct FiberPoolBuilder {
    threads: Option<usize>,
    thread_name: String,
    on_start: Option<OnStart>,
}

impl FiberPoolBuilder {
    pub(super) fn new() -> Self {
        Self { threads: None, thread_name: "tower-fiber".to_owned(), on_start: None }
    }

    /// Sets the number of workers. The default is the number of cores.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets the name of the threads, to which their number is appended: `tower-fiber-0` by default.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Runs `f` on each worker's thread before its first fiber, for example to pin the thread to a core, to set a
    /// thread-local, or to register the thread with a profiler.
    ///
    /// A worker whose hook panics goes on. A second hook replaces the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use tower_fiber::{FiberLayer, FiberPool};
    ///
    /// thread_local! {
    ///     static IS_READY: Cell<bool> = const { Cell::new(false) };
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), tower_fiber::error::ConfigError> {
    /// let pool = FiberPool::builder().worker_threads(1).on_thread_start(|| IS_READY.set(true)).build()?;
    /// let layer = FiberLayer::new().placement(pool);
    /// assert!(layer.run(|| IS_READY.get()).await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_thread_start(mut self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_start = Some(Arc::new(f));
        self
    }

    /// Starts the workers. A pool of more than one worker also starts a thread that watches them, named
    /// `tower-fiber-watch` by default.
    ///
    /// # Errors
    ///
    /// With zero threads, with a NUL byte in the name, and when a thread cannot be started.
    pub fn build(self) -> Result<FiberPool, ConfigError> {
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
        if threads == 0 {
            return Err(ConfigError::new("a FiberPool needs at least one thread: `worker_threads(0)` was set"));
        }
        if self.thread_name.contains('\0') {
            return Err(ConfigError::new("a thread name cannot contain a NUL byte"));
        }
        let workers = Arc::new(Workers::new(threads));
        // If a thread cannot be started, dropping this ends the other threads.
        let shared = Inner { workers: Arc::clone(&workers) };
        for index in 0..threads {
            let name = format!("{}-{index}", self.thread_name);
            worker::start(name, Arc::clone(&workers), index, self.on_start.clone())
                .map_err(|error| ConfigError::io(format!("could not start worker {index} of {threads}"), error))?;
        }
        // No other worker could take over from a single one.
        if threads > 1 {
            let name = format!("{}-watch", self.thread_name);
            let watch = move || workers.watcher.run(workers.members());
            thread::Builder::new()
                .name(name)
                .spawn(watch)
                .map_err(|error| ConfigError::io("could not start the thread that watches the workers", error))?;
        }
        Ok(FiberPool { shared: Arc::new(shared) })
    }
}

impl fmt::Debug for FiberPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberPoolBuilder")
            .field("threads", &self.threads)
            .field("thread_name", &self.thread_name)
            .finish_non_exhaustive()
    }
}
