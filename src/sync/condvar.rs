//! [`Condvar`].

use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    pin::pin,
    sync::{
        LockResult, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    MutexGuard,
    wait::{wait, wait_for},
};

/// A `std::sync::Condvar` for a [`Mutex`](super::Mutex) of this module.
///
/// The [module](super) says where it waits. Waiters are notified first come, first served. As in std,
/// a wait may also end without a notification, so wait in a loop, or by a method with a condition. One condition
/// variable may be used with several mutexes.
///
/// # Examples
///
/// ```
/// use tower_fiber::{join, run_in_fiber, sync::{Condvar, Mutex}};
///
/// static ORDERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// static CHANGED: Condvar = Condvar::new();
///
/// fn next() -> u32 {
///     let orders = ORDERS.lock().unwrap();
///     CHANGED.wait_while(orders, |orders| orders.is_empty()).unwrap().remove(0)
/// }
///
/// fn order(book: u32) {
///     ORDERS.lock().unwrap().push(book);
///     CHANGED.notify_one();
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (book, ()) = run_in_fiber(|| join(next, || order(7))).await;
/// assert_eq!(book, 7);
/// # }
/// ```
#[derive(Debug)]
pub struct Condvar {
    notify: Notify,
    /// How many wait; without any, a notification is lost, and not kept for the next one.
    waiting: AtomicUsize,
}

impl Condvar {
    /// Makes a condition variable without waiters.
    pub const fn new() -> Self {
        Self { notify: Notify::const_new(), waiting: AtomicUsize::new(0) }
    }

    /// Unlocks the mutex, waits for a notification, and locks the mutex again.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety). A wait that unwinds leaves the mutex unlocked.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the guard.
    ///
    /// # Panics
    ///
    /// If the code cannot wait; see the [module](super#where-they-wait). The mutex is unlocked then.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, None).0
    }

    /// Waits until `condition` is false.
    ///
    /// # Cancel safety
    ///
    /// Same as [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Same as [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// Same as [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_while<'a, T, F>(&self, mut guard: MutexGuard<'a, T>, mut condition: F) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits for a notification for as long as `limit` at most. Locking the mutex again may take longer.
    ///
    /// # Cancel safety
    ///
    /// Same as [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the guard and the result.
    ///
    /// # Panics
    ///
    /// Same as [`wait`](Self::wait), and on a runtime without timers.
    #[track_caller]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, result) = self.wait_until(guard, Some(limit));
        match guard {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    /// Waits until `condition` is false, for as long as `limit` at most. The result says that the time is over if the
    /// condition is still true.
    ///
    /// # Cancel safety
    ///
    /// Same as [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Same as [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Panics
    ///
    /// Same as [`wait_timeout`](Self::wait_timeout).
    #[track_caller]
    pub fn wait_timeout_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        limit: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        // tokio's clock, which tests may stop; outside runtimes it is std's.
        let begun = Instant::now();
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = self.wait_timeout(guard, left)?.0;
        }
    }

    /// Unlocks, waits, and locks again. Also returns whether the time was over.
    #[track_caller]
    fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Option<Duration>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let lock = guard.lock;
        let waiting = Waiting::begin(&self.waiting);
        let mut notified = pin!(self.notify.notified());
        // In line from here on, so that what is changed under the lock is not missed.
        notified.as_mut().enable();
        drop(guard);
        let timed_out = match limit {
            None => {
                wait(notified);
                false
            }
            Some(limit) => wait_for(limit, notified).is_none(),
        };
        drop(waiting);
        (lock.lock(), WaitTimeoutResult(timed_out))
    }

    /// Ends the wait of the first waiter.
    pub fn notify_one(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.notify.notify_one();
        }
    }

    /// Ends all waits that have begun.
    pub fn notify_all(&self) {
        self.notify.notify_waiters();
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

/// A waiter, counted until it is notified or gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether a wait of a [`Condvar`] has ended because its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}
