//! One pinned thread and its run queue.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use async_task::Runnable;
use concurrent_queue::ConcurrentQueue;
use tokio::task::unconstrained;

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

struct Shared {
    queue: ConcurrentQueue<Runnable>,
    /// Tasks that have not ended.
    tasks: AtomicUsize,
    /// No more tasks will come from the pool: end when the last one has ended.
    closed: AtomicBool,
    /// Whether the loop sleeps or is about to.
    asleep: AtomicBool,
    /// Wakes the loop.
    waker: OnceLock<Waker>,
    /// The thread, once the loop has begun.
    thread: OnceLock<ThreadId>,
}

impl Worker {
    pub(crate) fn start(name: String) -> io::Result<Self> {
        let worker = Self {
            shared: Arc::new(Shared {
                queue: ConcurrentQueue::unbounded(),
                tasks: AtomicUsize::new(0),
                closed: AtomicBool::new(false),
                asleep: AtomicBool::new(false),
                waker: OnceLock::new(),
                thread: OnceLock::new(),
            }),
        };
        // With no drivers and no tasks of its own. Its use is that tokio refuses `block_on` inside fibers, and that wakes
        // which tokio defers until its scheduler is back in control (`yield_now`) are delivered after each turn.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let this = worker.clone();
        thread::Builder::new().name(name).spawn(move || {
            _ = this.shared.thread.set(thread::current().id());
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
        self.shared.tasks.load(Ordering::Relaxed)
    }

    /// Runs `task` on this worker's thread, and on no other. On a worker that has ended it is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // First counted, then looked: a worker that ends has looked in the other order.
        let counted = Counted::new(&self.shared);
        if self.shared.closed.load(Ordering::SeqCst) && !self.shared.is_here() {
            return discard(task);
        }
        let shared = Arc::clone(&self.shared);
        let (runnable, task) = async_task::spawn(
            async move {
                let _counted = counted;
                // `async-task` ends a task that nobody can wake; a fiber that waits for ever must stay, as a thread would.
                let _own_waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                task.await;
            },
            move |runnable| shared.schedule(runnable),
        );
        task.detach();
        runnable.schedule();
    }

    /// Lets the thread end when its tasks have ended.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.wake();
    }

    /// Runs what is due, then sleeps. Ready when the worker has ended.
    fn turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.shared;
        shared.asleep.store(false, Ordering::SeqCst);
        for _ in 0..TURN {
            let Ok(runnable) = shared.queue.pop() else { break };
            // Tasks keep their fibers' panics to themselves; this is for destructors of their remains.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| runnable.run())) {
                discard(payload);
            }
        }
        if shared.is_over() {
            shared.queue.close();
            return Poll::Ready(());
        }
        // The waker of `block_on` is the same at every turn.
        let waker = shared.waker.get_or_init(|| cx.waker().clone());
        shared.asleep.store(true, Ordering::SeqCst);
        if !shared.queue.is_empty() || shared.is_over() {
            waker.wake_by_ref();
        }
        Poll::Pending
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.closed.load(Ordering::SeqCst) && self.tasks.load(Ordering::SeqCst) == 0
    }

    fn is_here(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }

    fn schedule(&self, runnable: Runnable) {
        match self.queue.push(runnable) {
            Ok(()) => self.wake(),
            // The task belongs to a thread that has ended: it is forgotten, never dropped elsewhere.
            Err(error) => _ = ManuallyDrop::new(error.into_inner()),
        }
    }

    /// Whoever adds something adds it first and then looks whether the loop sleeps; the loop does the reverse.
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            if let Some(waker) = self.waker.get() {
                waker.wake_by_ref();
            }
        }
    }
}

/// One task of a worker, until it has ended.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.tasks.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::SeqCst);
        self.0.wake();
    }
}
