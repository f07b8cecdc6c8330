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

/// A value of its own for each fiber; declared by [`fiber_local!`](crate::fiber_local).
///
/// It is made when the fiber first asks for it, and dropped when the fiber has ended, on the fiber: its destructor may
/// wait, and use other fiber-locals. Values are dropped in reverse order of their making. A destructor's panic is
/// dropped. Those of an async service that is dropped while it is pending are dropped on its home thread, outside of
/// fibers; those of a leaked fiber are leaked.
///
/// A fiber inside a fiber has values of its own. Under [`block_on_waits`](crate::block_on_waits) the outermost call has
/// them, so that the same code works there.
///
/// The name must be that of a `static`; a `const` would be another key wherever it is used.
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
    /// Outside of fibers and [`block_on_waits`](crate::block_on_waits); if making the value or `f` panics.
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
    /// Outside of fibers and [`block_on_waits`](crate::block_on_waits), and while that waits.
    ///
    /// # Panics
    ///
    /// If making the value or `f` panics.
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
        // Kept by counts and not by borrows, since `init` and `f` may wait.
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
