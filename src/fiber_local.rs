//! Fiber-locals.

use std::fmt;

use crate::{
    blocking,
    error::AccessError,
    fiber::StateExt as _,
    raw::{State, with_current},
};

/// Declares [`FiberLocal`]s, as `thread_local!` does thread-locals.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use tower_fiber::{fiber_local, run_in_fiber};
///
/// fiber_local! {
///     /// How many queries this request has made.
///     static QUERIES: Cell<u32> = Cell::new(0);
///     pub static NAME: String = "nobody".to_owned()
/// }
///
/// fn query() {
///     QUERIES.with(|queries| queries.set(queries.get() + 1));
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let queries = || {
///     query();
///     query();
///     QUERIES.with(Cell::get)
/// };
/// assert_eq!(run_in_fiber(queries).await, 2);
/// assert_eq!(run_in_fiber(queries).await, 2);
/// # }
/// ```
#[macro_export]
macro_rules! fiber_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $visibility static $name: $crate::FiberLocal<$type> = $crate::FiberLocal::new(|| $init);
        $($crate::fiber_local! { $($rest)* })?
    };
}

/// A value of which each fiber has its own; declared with [`fiber_local!`](crate::fiber_local).
///
/// The value is created when the fiber first uses it. It is dropped on the fiber, when the fiber has ended, so its
/// destructor may wait and use other fiber-locals. Values are dropped in the reverse order of their creation, and a
/// destructor's panic is dropped. If an async service is dropped while it is pending, its values are dropped on its
/// home thread, outside fibers. A leaked fiber leaks its values.
///
/// A fiber inside a fiber has its own values. Under [`block_on_waits`](crate::block_on_waits) the values belong to the
/// outermost call, so that the same code works there.
///
/// A key must be a `static`; a `const` would be another key wherever it is used.
pub struct FiberLocal<T: 'static> {
    init: fn() -> T,
}

impl<T: 'static> FiberLocal<T> {
    /// For [`fiber_local!`](crate::fiber_local).
    #[doc(hidden)]
    #[must_use = "a key is to be a static"]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init }
    }

    /// Calls `f` with this fiber's value.
    ///
    /// # Panics
    ///
    /// Outside fibers and [`block_on_waits`](crate::block_on_waits), while `block_on_waits` waits, and if the
    /// initialiser or `f` panics.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with this fiber's value.
    ///
    /// # Errors
    ///
    /// Outside fibers and [`block_on_waits`](crate::block_on_waits), and while `block_on_waits` waits.
    ///
    /// # Panics
    ///
    /// If the initialiser or `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// tower_fiber::fiber_local!(static ID: u32 = 7);
    ///
    /// assert!(ID.try_with(|id| *id).is_err());
    /// assert_eq!(tower_fiber::block_on_waits(|| ID.try_with(|id| *id)).unwrap(), 7);
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let key = std::ptr::from_ref(self).addr();
        // Reference-counted and not borrowed, because `init` and `f` may wait.
        let locals = with_current(|state| state.map(State::locals)).or_else(blocking::locals);
        let value = locals.ok_or(AccessError::new())?.get(key, self.init);
        Ok(f(&value))
    }
}

impl<T: 'static> fmt::Debug for FiberLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberLocal").finish_non_exhaustive()
    }
}
