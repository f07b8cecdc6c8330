//! A lock that is nearly free for its owner and expensive for other threads.

use std::cell::UnsafeCell;

use super::fence;
use crate::util::{
    lock::lock,
    loom::{AtomicBool, Mutex, Ordering, yield_now},
};

/// Belongs to one thread, which uses it all the time; other threads look in now and then.
#[derive(Debug, Default)]
pub(crate) struct Biased<T> {
    /// The owner is using the value.
    is_inside: AtomicBool,
    /// Another thread is using the value, or waits until the owner is done.
    is_wanted: AtomicBool,
    /// Excludes the other threads from each other, and the owner from them while the value is wanted.
    lock: Mutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: invariant 14: only one thread at a time uses the value.
unsafe impl<T: Send> Sync for Biased<T> {}

impl<T> Biased<T> {
    /// For the owner. `f` must not enter the lock again, so it must run no foreign code.
    #[inline]
    pub(crate) fn own<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        debug_assert!(!self.is_inside.load(Ordering::Relaxed), "the owner is inside already");
        self.is_inside.store(true, Ordering::Relaxed);
        fence::light();
        if self.is_wanted.load(Ordering::Acquire) {
            self.is_inside.store(false, Ordering::Release);
            return self.own_locked(f);
        }
        let _reset = Reset(&self.is_inside);
        // SAFETY: invariant 14: no other thread wanted the value after this thread had said that it is inside.
        f(unsafe { &mut *self.value.get() })
    }

    #[cold]
    fn own_locked<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _locked = lock(&self.lock);
        // SAFETY: invariant 14: other threads use the value under the lock only, and the owner is one thread.
        f(unsafe { &mut *self.value.get() })
    }

    /// For other threads. `f` must not enter the lock again, so it must run no foreign code.
    #[cold]
    pub(crate) fn look_in<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _locked = lock(&self.lock);
        let _reset = Reset(&self.is_wanted);
        self.is_wanted.store(true, Ordering::Relaxed);
        fence::heavy();
        // The owner is inside for a few instructions only, unless it was interrupted there.
        while self.is_inside.load(Ordering::Acquire) {
            yield_now();
        }
        // SAFETY: invariant 14: the owner is not inside, and will see that this thread wants the value.
        f(unsafe { &mut *self.value.get() })
    }
}

struct Reset<'a>(&'a AtomicBool);

impl Drop for Reset<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
