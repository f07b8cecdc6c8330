//! [`OnceLock`].

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

use super::wait::take;

/// A `std::sync::OnceLock` whose initialiser may wait.
///
/// The [module](super) says where others wait meanwhile. An initialiser that panics or is cancelled leaves the cell
/// empty, and the next one runs; one that asks for the same cell waits for itself, for ever.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, run_in_fiber, sync::OnceLock};
///
/// fn rates() -> &'static [u32] {
///     static RATES: OnceLock<Vec<u32>> = OnceLock::new();
///     RATES.get_or_init(|| async { vec![7, 19] }.wait())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(run_in_fiber(rates).await, [7, 19]);
/// # }
/// ```
pub struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    /// Locked by the code that sets the value.
    setting: tokio::sync::Mutex<()>,
}

impl<T> OnceLock<T> {
    /// Makes an empty cell.
    pub const fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), setting: tokio::sync::Mutex::const_new(()) }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value. If an initialiser runs, waits until it has ended.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Errors
    ///
    /// If there is a value already; the error holds the new one.
    ///
    /// # Panics
    ///
    /// If an initialiser runs and the code cannot wait; see the [module](super#where-they-wait).
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let _setting = take(self.setting.try_lock().ok(), self.setting.lock());
        self.value.set(value)
    }

    /// Returns the value, which `f` makes if there is none. If another initialiser runs, waits until it has ended.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety).
    ///
    /// # Panics
    ///
    /// If `f` panics; and if another initialiser runs and the code cannot wait: see the
    /// [module](super#where-they-wait).
    #[track_caller]
    pub fn get_or_init<F: FnOnce() -> T>(&self, f: F) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let _setting = take(self.setting.try_lock().ok(), self.setting.lock());
        match self.get() {
            Some(value) => value,
            None => {
                // Not inside std's own initialiser, where others would block their threads.
                let value = f();
                self.value.get_or_init(|| value)
            }
        }
    }

    /// Returns the value.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, which leaves the cell empty.
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        Self { value: value.into(), ..Self::new() }
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..Self::new() }
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
