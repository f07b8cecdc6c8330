//! What reaches a worker from other threads: its queue, when it sleeps, and when it ends.

use std::{sync::OnceLock, task::Waker};

use crate::sync::{AtomicBool, AtomicUsize, ConcurrentQueue, Ordering};

/// In place of the number of tasks, when the loop has come to its end.
const ENDED: usize = usize::MAX;

/// Whoever adds something adds it first and then looks whether the loop sleeps; the loop does the reverse. `asleep` is only
/// exchanged, never just stored: of two exchanges the later one sees all that was added before the earlier one.
pub(super) struct Inbox<T> {
    queue: ConcurrentQueue<T>,
    /// Tasks that have not ended, or `ENDED`.
    tasks: AtomicUsize,
    /// No more tasks will come from the pool: end when the last one has ended.
    closed: AtomicBool,
    /// Whether the loop sleeps or is about to.
    asleep: AtomicBool,
    /// Wakes the loop.
    waker: OnceLock<Waker>,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        Self {
            queue: ConcurrentQueue::unbounded(),
            tasks: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    /// How many tasks there are.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.load(Ordering::Relaxed)
    }

    /// Counts a task, until [`end`](Self::end); while it is counted the loop goes on. `false` if the loop has ended.
    pub(super) fn begin(&self) -> bool {
        let one_more = |tasks| (tasks != ENDED).then(|| tasks + 1);
        self.tasks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    pub(super) fn end(&self) {
        self.tasks.fetch_sub(1, Ordering::SeqCst);
        self.wake();
    }

    /// Adds what is to be run. After the end it comes back.
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        self.queue.push(item).map_err(|error| error.into_inner())?;
        self.wake();
        Ok(())
    }

    /// Lets the loop end when the last task has ended.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let was_asleep = self.asleep.swap(false, Ordering::SeqCst);
        if let Some(waker) = self.waker.get().filter(|_| was_asleep) {
            waker.wake_by_ref();
        }
    }

    /// For the loop only: it is awake.
    pub(super) fn wake_up(&self) {
        self.asleep.swap(false, Ordering::SeqCst);
    }

    /// For the loop only.
    pub(super) fn pop(&self) -> Option<T> {
        self.queue.pop().ok()
    }

    /// For the loop only: `true` if it has come to its end; if not, `waker` is woken when there is something to do. It must
    /// be the same each time.
    pub(super) fn is_over_or_sleeps(&self, waker: &Waker) -> bool {
        if self.closed.load(Ordering::SeqCst)
            && self.tasks.compare_exchange(0, ENDED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        {
            self.queue.close();
            return true;
        }
        let waker = self.waker.get_or_init(|| waker.clone());
        self.asleep.swap(true, Ordering::SeqCst);
        let is_over = self.closed.load(Ordering::SeqCst) && self.tasks.load(Ordering::SeqCst) == 0;
        if is_over || !self.queue.is_empty() {
            waker.wake_by_ref();
        }
        false
    }
}
