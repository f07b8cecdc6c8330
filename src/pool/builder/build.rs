//! Starting a pool's threads.

use std::{num::NonZeroUsize, sync::Arc, thread};

use super::FiberPoolBuilder;
use crate::{
    error::ConfigError,
    pool::{FiberPool, Inner, worker, workers::Workers},
};

impl FiberPoolBuilder {
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
