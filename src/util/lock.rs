//! Locking for data that stays valid even if a thread panics while it holds the lock.

use std::sync::PoisonError;

use super::loom::{Mutex, MutexGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
