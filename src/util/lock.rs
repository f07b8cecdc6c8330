//! Locking for data that stays valid even if a thread panics while it holds the lock.

use std::sync::PoisonError;

use super::loom::{Held, Mutex, MutexGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // If another thread has it, a fiber must not suspend in the middle of what the crate does.
    let _held = Held::new();
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
