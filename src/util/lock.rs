//! Locking where the data stays valid even if a thread has panicked while it held the lock.

use std::sync::PoisonError;

use super::loom::{Mutex, MutexGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
