//! [`RwLock`].

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

/// A `std::sync::RwLock` that may be held over a wait.
///
/// The [module](super) says where it waits, in which order, and what poisons it. The lock is tokio's. A writer that
/// waits keeps later readers out, so a fiber that reads must not read again: it would wait for the writer, which waits
/// for it. Guards are `Send`, unlike std's.
///
/// # Examples
///
/// ```
/// use tower_fiber::sync::RwLock;
///
/// static PRICES: RwLock<Vec<u32>> = RwLock::new(Vec::new());
///
/// // Not in a fiber: it would block this thread.
/// PRICES.write().unwrap().push(7);
/// assert_eq!(*PRICES.read().unwrap(), [7]);
/// ```
pub struct RwLock<T: ?Sized> {
    poison: Poison,
    inner: tokio::sync::RwLock<T>,
}

impl<T> RwLock<T> {
    /// Makes an unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), inner: tokio::sync::RwLock::const_new(value) }
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the value.
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.result(self.inner.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks for reading, and waits for that while a writer has the lock or waits for it.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the guard.
    ///
    /// # Panics
    ///
    /// If the lock is not free and the code cannot wait; see the [module](super#where-they-wait).
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let inner = take(self.inner.try_read().ok(), self.inner.read());
        self.poison.result(RwLockReadGuard { inner })
    }

    /// Locks for reading if no writer has the lock or waits for it.
    ///
    /// # Errors
    ///
    /// If one does; if the lock is poisoned, with the guard.
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        match self.inner.try_read() {
            Ok(inner) => Ok(self.poison.result(RwLockReadGuard { inner })?),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    /// Locks for writing, and waits for that while anyone else has the lock.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the guard.
    ///
    /// # Panics
    ///
    /// If the lock is not free and the code cannot wait; see the [module](super#where-they-wait).
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.writing(take(self.inner.try_write().ok(), self.inner.write()))
    }

    /// Locks for writing if the lock is free.
    ///
    /// # Errors
    ///
    /// If the lock is taken; if the lock is poisoned, with the guard.
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        match self.inner.try_write() {
            Ok(inner) => Ok(self.writing(inner)?),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    fn writing<'a>(&'a self, inner: tokio::sync::RwLockWriteGuard<'a, T>) -> LockResult<RwLockWriteGuard<'a, T>> {
        self.poison.result(RwLockWriteGuard { section: Section::begin(&self.poison), inner })
    }

    /// Whether a panic has poisoned the lock.
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
    /// If the lock is poisoned; the error holds the reference.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(self.inner.get_mut())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.inner.try_read() {
            Ok(value) => shown.field("data", &&*value),
            Err(_) => shown.field("data", &format_args!("<locked>")),
        };
        shown.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

/// Shared access to the value of a [`RwLock`], which is unlocked when this is dropped.
#[must_use = "a guard that is dropped at once unlocks the lock at once"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    inner: tokio::sync::RwLockReadGuard<'a, T>,
}

/// Unique access to the value of a [`RwLock`], which is unlocked when this is dropped.
#[must_use = "a guard that is dropped at once unlocks the lock at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    // Fields are dropped in this order: the poison is set before the next one gets the lock.
    #[expect(dead_code, reason = "its destructor looks for a panic")]
    section: Section<'a>,
    inner: tokio::sync::RwLockWriteGuard<'a, T>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
