//! [`ReentrantMutex`].

use std::{
    fmt,
    ops::Deref,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use super::wait::take;
use crate::{
    fiber::StateExt as _,
    raw::{Home, Inside, OnOneThread, with_current},
};

/// Nobody has the lock.
const NOBODY: u64 = 0;

/// A mutex that its fiber may lock again: a `parking_lot::ReentrantMutex` that may be held over a wait.
///
/// It belongs to the fiber that has locked it and not to the thread, so no other fiber of the thread enters meanwhile.
/// The fibers of [`join`](crate::join) are others than the one that calls it: in them, a lock that the caller holds
/// waits for ever. Outside fibers the mutex belongs to the thread. The [module](super) says where it waits, and in
/// which order. A panic does not poison it, as it does not poison parking_lot's.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use tokio::task::yield_now;
/// use tower_fiber::{WaitExt as _, join, run_in_fiber, sync::ReentrantMutex};
///
/// static STOCK: ReentrantMutex<Cell<u32>> = ReentrantMutex::new(Cell::new(0));
///
/// fn add_one() {
///     let stock = STOCK.lock();
///     let before = stock.get();
///     yield_now().wait(); // the other fiber waits for the lock
///     stock.set(before + 1);
/// }
///
/// fn add_two() {
///     let _all = STOCK.lock();
///     add_one(); // locks again
///     add_one();
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// run_in_fiber(|| join(add_two, add_two)).await;
/// assert_eq!(STOCK.lock().get(), 4);
/// # }
/// ```
pub struct ReentrantMutex<T: ?Sized> {
    /// The fiber or thread that has the permit.
    owner: AtomicU64,
    /// How many guards it has. Only changed by the owner.
    depth: AtomicUsize,
    permit: Semaphore,
    value: OnOneThread<T>,
}

impl<T> ReentrantMutex<T> {
    /// Makes an unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self {
            owner: AtomicU64::new(NOBODY),
            depth: AtomicUsize::new(0),
            permit: Semaphore::const_new(1),
            value: OnOneThread::new(value),
        }
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Locks the mutex. Waits for that if it is locked by another fiber or thread.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Panics
    ///
    /// If another one has the lock and the code cannot wait; see the [module](super#where-they-wait).
    #[track_caller]
    pub fn lock(&self) -> ReentrantMutexGuard<'_, T> {
        let me = me();
        if !self.is_owned_by(me) {
            let permit = take(self.permit.try_acquire().ok(), async {
                self.permit.acquire().await.expect("it is never closed")
            });
            permit.forget();
            self.owner.store(me, Ordering::Relaxed);
        }
        self.guard()
    }

    /// Locks the mutex if no other fiber or thread has the lock.
    pub fn try_lock(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        let me = me();
        if !self.is_owned_by(me) {
            self.permit.try_acquire().ok()?.forget();
            self.owner.store(me, Ordering::Relaxed);
        }
        Some(self.guard())
    }

    /// Only for the owner.
    fn guard(&self) -> ReentrantMutexGuard<'_, T> {
        let inside = self.value.enter().expect("the guards of a former owner have gone");
        self.depth.fetch_add(1, Ordering::Relaxed);
        ReentrantMutexGuard { inside: Some(inside), lock: self }
    }

    /// Whether some fiber or thread has the lock.
    pub fn is_locked(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != NOBODY
    }

    /// Whether this fiber has the lock; outside fibers, whether this thread has it.
    pub fn is_owned_by_current(&self) -> bool {
        self.is_owned_by(me())
    }

    // Only the owner itself stores its number, and only its own fiber or thread can find that.
    fn is_owned_by(&self, me: u64) -> bool {
        self.owner.load(Ordering::Relaxed) == me
    }

    /// Returns the value, which nothing else borrows.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The number of the fiber or thread that this code runs in.
fn me() -> u64 {
    with_current(|state| state.map_or_else(|| Home::here().number(), |state| state.id().number())).get()
}

impl<T> From<T> for ReentrantMutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for ReentrantMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ReentrantMutex");
        match self.try_lock() {
            Some(value) => shown.field("data", &&*value),
            None => shown.field("data", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

impl<T: ?Sized + UnwindSafe> UnwindSafe for ReentrantMutex<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for ReentrantMutex<T> {}

/// Access to the value of a [`ReentrantMutex`], which is unlocked when the last guard of its fiber is dropped.
#[must_use = "a guard that is dropped at once unlocks the mutex at once"]
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    /// There until the destructor.
    inside: Option<Inside<'a, T>>,
    lock: &'a ReentrantMutex<T>,
}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inside.as_ref().expect("it is there until the destructor")
    }
}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        // Before the next owner can enter.
        self.inside = None;
        if self.lock.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.lock.owner.store(NOBODY, Ordering::Relaxed);
            self.lock.permit.add_permits(1);
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
