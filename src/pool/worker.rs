//! One pinned thread and its run queue.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use async_task::Runnable;
use tokio::task::unconstrained;

use super::inbox::Inbox;
use crate::discard::discard;

/// Tasks that are run before tokio's scheduler gets control once.
const TURN: usize = 64;

thread_local! {
    static CURRENT: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// A handle of one worker.
#[derive(Clone)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

type Shared = Inbox<Runnable>;

impl Worker {
    pub(crate) fn start(name: String) -> io::Result<Self> {
        let worker = Self { shared: Arc::new(Shared::new()) };
        // With no drivers and no tasks of its own. Its use is that tokio refuses `block_on` inside fibers, and that wakes
        // which tokio defers until its scheduler is back in control (`yield_now`) are delivered after each turn.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let this = worker.clone();
        thread::Builder::new().name(name).spawn(move || {
            CURRENT.with(|current| current.replace(Some(this.clone())));
            // Unconstrained, since one turn polls many tasks and tokio's budget is for one.
            runtime.block_on(unconstrained(poll_fn(|cx| this.turn(cx))));
            CURRENT.with(|current| current.take());
        })?;
        Ok(worker)
    }

    /// The worker whose thread this is.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    pub(crate) fn is_current() -> bool {
        CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many tasks this worker has.
    pub(crate) fn load(&self) -> usize {
        self.shared.tasks()
    }

    /// Runs `task` on this worker's thread, and on no other. On a worker that has ended it is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if !self.shared.begin() {
            return discard(task);
        }
        let counted = Counted(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        let (runnable, task) = async_task::spawn(
            async move {
                let _counted = counted;
                // `async-task` ends a task that nobody can wake; a fiber that waits for ever must stay, as a thread would.
                let _own_waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                task.await;
            },
            move |runnable| {
                if let Err(runnable) = shared.push(runnable) {
                    // The task belongs to a thread that has ended: it is forgotten, never dropped elsewhere.
                    _ = ManuallyDrop::new(runnable);
                }
            },
        );
        task.detach();
        runnable.schedule();
    }

    /// Lets the thread end when its tasks have ended.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Runs what is due, then sleeps. Ready when the worker has ended.
    fn turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inbox = &self.shared;
        inbox.wake_up();
        for _ in 0..TURN {
            let Some(runnable) = inbox.pop() else { break };
            // Tasks keep their fibers' panics to themselves; this is for destructors of their remains.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| runnable.run())) {
                discard(payload);
            }
        }
        // The waker of `block_on` is the same at every turn.
        if inbox.is_over_or_sleeps(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// One task of a worker, until it has ended.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.end();
    }
}
