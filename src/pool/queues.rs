//! How other threads reach a worker: its queues, its sleep and its end.

use super::parker::Parker;
use crate::util::loom::{AtomicBool, AtomicUsize, ConcurrentQueue, Ordering, fence};

/// Stands in for the number of guests once the worker has come to its end.
const ENDED: usize = usize::MAX;

/// A thread that adds something adds it first and then checks whether the worker sleeps. The worker announces its sleep
/// first and then checks what was added. On either side a fence stands between the two steps, so at least one thread
/// sees what the other did.
pub(super) struct Queues<T> {
    /// Tasks that have not begun; any worker may take them.
    starts: ConcurrentQueue<T>,
    /// Tasks that only this worker may run: those that have begun here, and guests.
    resumes: ConcurrentQueue<T>,
    /// The number of tasks that were given to this worker in particular and have not ended, or `ENDED`.
    guests: AtomicUsize,
    /// Whether the pool sends no more tasks: the worker ends when its last task has ended.
    closed: AtomicBool,
    /// Whether the worker is to look at the other workers' queues.
    asked: AtomicBool,
    /// Whether the worker sleeps or is about to.
    asleep: AtomicBool,
    parker: Parker,
}

impl<T> Queues<T> {
    pub(super) fn new() -> Self {
        Self {
            starts: ConcurrentQueue::unbounded(),
            resumes: ConcurrentQueue::unbounded(),
            guests: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            parker: Parker::default(),
        }
    }

    /// How many tasks could run now.
    pub(super) fn runnable(&self) -> usize {
        self.starts.len() + self.resumes.len()
    }

    /// How many tasks have not begun.
    pub(super) fn unstarted(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Counts a guest until [`guest_ended`](Self::guest_ended). The worker does not end while a guest is counted.
    /// Returns `false` if the worker has already ended.
    pub(super) fn guest_comes(&self) -> bool {
        let one_more = |guests| (guests != ENDED).then(|| guests + 1);
        self.guests.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// For the worker only.
    pub(super) fn guest_ended(&self) {
        self.guests.fetch_sub(1, Ordering::SeqCst);
    }

    /// Adds a task that has not begun.
    pub(super) fn push_start(&self, task: T) {
        // The queues are never closed.
        _ = self.starts.push(task);
        self.wake();
    }

    /// Adds a task that only this worker may run.
    pub(super) fn push_resume(&self, task: T) {
        _ = self.resumes.push(task);
        self.wake();
    }

    /// Lets the worker end when its last task has ended. The pool starts no task after this.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Asks the worker to look at the other workers' queues.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            self.parker.unpark();
        }
    }

    /// For any worker.
    pub(super) fn pop_start(&self) -> Option<T> {
        self.starts.pop().ok()
    }

    /// For the worker only.
    pub(super) fn pop_resume(&self) -> Option<T> {
        self.resumes.pop().ok()
    }

    /// For the worker only: whether it was asked to look at the other workers' queues.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
    }

    /// For the worker only, before any other call: says that this is the worker's thread.
    pub(super) fn settle(&self) {
        self.parker.settle();
    }

    /// For the worker only: whether it has come to its end, provided that it has no tasks but guests.
    pub(super) fn is_over(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
            && self.starts.is_empty()
            && self.guests.compare_exchange(0, ENDED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// For the worker only: sleeps until there is something to do; the sleep may also end spuriously. `has_tasks` says
    /// whether the worker has tasks besides guests.
    pub(super) fn sleep(&self, has_tasks: bool) {
        // Only exchanged, never just stored: all threads agree which of two exchanges is the later one.
        self.asleep.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let is_over = !has_tasks && self.closed.load(Ordering::SeqCst) && self.guests.load(Ordering::SeqCst) == 0;
        let is_due = is_over || self.asked.load(Ordering::Relaxed);
        if !is_due && self.starts.is_empty() && self.resumes.is_empty() {
            self.parker.wait();
        }
        self.asleep.swap(false, Ordering::SeqCst);
    }
}
