//! [`Mutex`].

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{LockResult, TryLockError, TryLockResult},
};

use super::{
    poison::{Poison, Section},
    wait::take,
};

/// A `std::sync::Mutex` that may be held over a wait.
///
/// The [module](super) says where it waits, in which order, and what poisons it. The lock is tokio's. Its guards are
/// `Send`, unlike std's.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, run_in_fiber, sync::Mutex};
///
/// static TOTAL: Mutex<u64> = Mutex::new(0);
///
/// fn add(price: impl Future<Output = u64>) {
///     let mut total = TOTAL.lock().unwrap();
///     *total += price.wait();
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// run_in_fiber(|| add(async { 7 })).await;
/// assert_eq!(*TOTAL.lock().unwrap(), 7);
/// # }
/// ```
pub struct Mutex<T: ?Sized> {
    poison: Poison,
    inner: tokio::sync::Mutex<T>,
}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), inner: tokio::sync::Mutex::const_new(value) }
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the value.
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.result(self.inner.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex, and waits for that if it is locked.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the guard.
    ///
    /// # Panics
    ///
    /// If the mutex is locked and the code cannot wait; see the [module](super#where-they-wait).
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.guard(take(self.inner.try_lock().ok(), self.inner.lock()))
    }

    /// Locks the mutex if it is free.
    ///
    /// # Errors
    ///
    /// If it is locked; if it is poisoned, with the guard.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(self.guard(inner)?),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    fn guard<'a>(&'a self, inner: tokio::sync::MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.poison.result(MutexGuard { section: Section::begin(&self.poison), lock: self, inner })
    }

    /// Whether a panic has poisoned the mutex.
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Says that the value is valid again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Returns the value, which nothing else borrows.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the reference.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(self.inner.get_mut())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.inner.try_lock() {
            Ok(value) => shown.field("data", &&*value),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

/// Access to the value of a locked [`Mutex`], which is unlocked when this is dropped.
#[must_use = "a guard that is dropped at once unlocks the mutex at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    // Fields are dropped in this order: the poison is set before the next one gets the lock.
    #[expect(dead_code, reason = "its destructor looks for a panic")]
    section: Section<'a>,
    pub(super) lock: &'a Mutex<T>,
    inner: tokio::sync::MutexGuard<'a, T>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
