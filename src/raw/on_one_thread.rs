//! A value that one thread at a time may look at, again and again.

use std::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::Home;

/// No thread is inside.
const FREE: u64 = 0;

/// A value of which only the references of one thread exist at the same time.
pub(crate) struct OnOneThread<T: ?Sized> {
    /// The number of the thread that is inside.
    inside: AtomicU64,
    /// How many references it has. Only changed by that thread.
    references: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: invariant 18: another thread gets references only when those of the former thread have gone, so the value
// passes between threads as one that is `Send`, and is never shared between them.
unsafe impl<T: ?Sized + Send> Sync for OnOneThread<T> {}

impl<T> OnOneThread<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { inside: AtomicU64::new(FREE), references: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> OnOneThread<T> {
    /// `None` if another thread has references.
    pub(crate) fn enter(&self) -> Option<Inside<'_, T>> {
        let here = Home::here().number().get();
        if self.inside.load(Ordering::Relaxed) != here {
            self.inside.compare_exchange(FREE, here, Ordering::Acquire, Ordering::Relaxed).ok()?;
        }
        // A count that began anew at zero would let another thread in.
        let before = self.references.load(Ordering::Relaxed);
        self.references.store(before.checked_add(1).expect("2^64 references were made"), Ordering::Relaxed);
        Some(Inside { of: self, _stays_here: PhantomData })
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// Access to the value, on one thread.
pub(crate) struct Inside<'a, T: ?Sized> {
    of: &'a OnOneThread<T>,
    _stays_here: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value = self.of.value.get();
        // SAFETY: invariant 18: this guard belongs to the thread that is inside, so no other thread has a reference;
        // and as long as the value can be borrowed from it, there is no unique one.
        unsafe { &*value }
    }
}

impl<T: ?Sized> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        let left = self.of.references.load(Ordering::Relaxed) - 1;
        self.of.references.store(left, Ordering::Relaxed);
        if left == 0 {
            self.of.inside.store(FREE, Ordering::Release);
        }
    }
}

impl<T: ?Sized> fmt::Debug for OnOneThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnOneThread").finish_non_exhaustive()
    }
}
