//! What runs on a connection, and what happens to one that is left meanwhile.

use std::{
    error::Error,
    fmt,
    future::ready,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use diesel_async::sync_connection_wrapper::SpawnBlocking;
use futures_util::{FutureExt as _, future::BoxFuture};
use tower_fiber::{BlockingLayer, WaitMode, wait_mode};

use super::AsyncSqliteConnection;
use crate::Left;

/// Runs `task` on tokio's blocking pool, or on this thread if it may block.
pub(super) fn on_blocking_pool<R: Send + 'static>(task: impl FnOnce() -> R + Send + 'static) -> BoxFuture<'static, R> {
    match wait_mode() {
        WaitMode::Blocking => ready(task()).boxed(),
        _ => BlockingLayer::new().run(task).boxed(),
    }
}

/// Runs the queries of one connection on tokio's blocking pool.
#[derive(Debug)]
pub struct BlockingPool {
    work: Arc<Work>,
}

impl BlockingPool {
    pub(super) fn with_work(work: Arc<Work>) -> Self {
        Self { work }
    }
}

impl SpawnBlocking for BlockingPool {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync>>>
    where
        R: Send + 'static,
    {
        let running = Running::new(&self.work);
        let run = move || {
            // Dropped after the task, and with it what the task has of the connection.
            let _running = running;
            task()
        };
        on_blocking_pool(run).map(Ok).boxed()
    }

    fn get_runtime() -> Self {
        Self::with_work(Arc::default())
    }
}

/// The work on one connection.
#[derive(Default)]
pub(super) struct Work {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    has_panicked: bool,
    /// Is closed when nothing runs any more.
    left: Option<Left<AsyncSqliteConnection>>,
}

impl Work {
    /// Whether something runs, or has panicked.
    pub(super) fn is_left(&self) -> bool {
        let state = self.state();
        state.running > 0 || state.has_panicked
    }

    /// Closes the connection when nothing runs on it any more. Until then it keeps its place in the pool.
    pub(super) fn close_at_end(&self, left: Left<AsyncSqliteConnection>) {
        let mut state = self.state();
        if state.running > 0 {
            state.left = Some(left);
        } else {
            drop(state);
            drop(left);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Nothing of it is seen half-changed.
impl UnwindSafe for Work {}
impl RefUnwindSafe for Work {}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("running", &self.state().running).finish_non_exhaustive()
    }
}

/// One task, from when it is given to the pool to its end.
struct Running {
    work: Arc<Work>,
}

impl Running {
    fn new(work: &Arc<Work>) -> Self {
        work.state().running += 1;
        Self { work: Arc::clone(work) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.work.state();
        state.running -= 1;
        state.has_panicked |= thread::panicking();
        let left = if state.running == 0 { state.left.take() } else { None };
        drop(state);
        // Closes it.
        drop(left);
    }
}
