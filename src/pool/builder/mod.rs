//! Settings of a pool.

mod build;

use std::{fmt, sync::Arc};

use super::worker::OnStart;

/// Settings of a [`FiberPool`](crate::FiberPool).
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
}

impl fmt::Debug for FiberPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberPoolBuilder")
            .field("threads", &self.threads)
            .field("thread_name", &self.thread_name)
            .finish_non_exhaustive()
    }
}
