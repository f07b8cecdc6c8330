//! [`LazyLock`].

use std::{
    fmt,
    ops::Deref,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Mutex,
};

use super::OnceLock;
use crate::{util::lock::lock, wait::shield};

/// A `std::sync::LazyLock` whose initialiser may wait.
///
/// The [module](super) says where others wait meanwhile. The initialiser runs in a [`shield`](crate::shield), since it
/// is gone when it has begun: a cancel would leave all others without a value. If it panics, each later access panics.
/// One that asks for the same value waits for itself, for ever.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, run_in_fiber, sync::LazyLock};
///
/// static RATES: LazyLock<Vec<u32>> = LazyLock::new(|| async { vec![7, 19] }.wait());
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(run_in_fiber(|| RATES[1]).await, 19);
/// # }
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    value: OnceLock<T>,
    initialiser: Mutex<Option<F>>,
}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Makes a value that `f` will initialise.
    pub const fn new(f: F) -> Self {
        Self { value: OnceLock::new(), initialiser: Mutex::new(Some(f)) }
    }

    /// Returns the value, which is made if there is none. If the initialiser runs, waits until it has ended.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety). The initialiser itself is not cancelled.
    ///
    /// # Panics
    ///
    /// If the initialiser panics, or has panicked; and if it runs and the code cannot wait: see the
    /// [module](super#where-they-wait).
    #[track_caller]
    pub fn force(this: &Self) -> &T {
        this.value.get_or_init(|| {
            let f = lock(&this.initialiser).take();
            f.map_or_else(|| panic!("LazyLock instance has previously been poisoned"), shield)
        })
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("LazyLock");
        match self.value.get() {
            Some(value) => shown.field(value),
            None => shown.field(&format_args!("<uninit>")),
        };
        shown.finish()
    }
}

impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
