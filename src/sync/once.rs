//! [`Once`].

use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{Mutex, MutexGuard, PoisonError};

/// A `std::sync::Once` whose initialiser may wait.
///
/// The [module](super) says where others wait meanwhile. An initialiser that is cancelled leaves the initialisation to
/// the next one; one that calls the same `Once` waits for itself, for ever.
///
/// # Examples
///
/// ```
/// use tower_fiber::sync::Once;
///
/// static SET_UP: Once = Once::new();
///
/// SET_UP.call_once(|| { /* may wait */ });
/// SET_UP.call_once(|| unreachable!());
/// assert!(SET_UP.is_completed());
/// ```
#[derive(Debug)]
pub struct Once {
    is_completed: AtomicBool,
    running: Mutex<()>,
}

impl Once {
    /// Makes a `Once` that has not run.
    pub const fn new() -> Self {
        Self { is_completed: AtomicBool::new(false), running: Mutex::new(()) }
    }

    /// Runs `f` if no initialiser has run. If one runs now, waits until it has ended.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Panics
    ///
    /// If `f` panics, or an earlier initialiser has; and if another one runs and the code cannot wait: see the
    /// [module](super#where-they-wait).
    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        if self.is_completed() {
            return;
        }
        let running = self.running.lock().unwrap_or_else(|_| panic!("Once instance has previously been poisoned"));
        self.run(running, f);
    }

    /// Like [`call_once`](Self::call_once), also if an earlier initialiser has panicked.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Panics
    ///
    /// If `f` panics; and if another one runs and the code cannot wait: see the [module](super#where-they-wait).
    #[track_caller]
    pub fn call_once_force<F: FnOnce(&OnceState)>(&self, f: F) {
        if self.is_completed() {
            return;
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let state = OnceState { is_poisoned: self.running.is_poisoned() };
        self.run(running, || f(&state));
    }

    fn run(&self, running: MutexGuard<'_, ()>, f: impl FnOnce()) {
        if !self.is_completed() {
            f();
            self.is_completed.store(true, Ordering::Release);
        }
        drop(running);
    }

    /// Whether an initialiser has run to its end.
    pub fn is_completed(&self) -> bool {
        self.is_completed.load(Ordering::Acquire)
    }
}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

/// What [`Once::call_once_force`] tells its initialiser.
#[derive(Debug)]
pub struct OnceState {
    is_poisoned: bool,
}

impl OnceState {
    /// Whether an earlier initialiser has panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }
}
