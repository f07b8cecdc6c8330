//! [`wait_mode`], [`fiber_id`]: tell how the current code can wait, and in which fiber it runs.

use crate::{
    blocking,
    fiber::{FiberId, StateExt as _},
    raw::with_current,
};

/// How a wait at this point would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitMode {
    /// The code runs in a fiber, which suspends during the wait.
    Fiber,
    /// The code runs under [`block_on_waits`](crate::block_on_waits), and a wait blocks the thread.
    Blocking,
    /// A wait would be refused.
    None,
}

/// Returns how a wait at this point would be done.
///
/// Inside the `poll` of an awaited future, where nested waits are refused, this is the mode of the code that waits.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitMode, block_on_waits, wait_mode};
///
/// assert_eq!(wait_mode(), WaitMode::None);
/// assert_eq!(block_on_waits(wait_mode), WaitMode::Blocking);
/// ```
#[must_use]
pub fn wait_mode() -> WaitMode {
    if in_fiber() {
        WaitMode::Fiber
    } else if blocking::is_on() {
        WaitMode::Blocking
    } else {
        WaitMode::None
    }
}

/// Returns whether this code runs in a fiber.
#[must_use]
pub fn in_fiber() -> bool {
    with_current(|state| state.is_some())
}

/// Returns the id of the fiber that this code runs in, of the innermost one if fibers lie inside each other. `None`
/// outside fibers.
///
/// A fiber keeps its id from its first line to its last, also when its caller goes and another task continues it.
/// `tokio::task::id()` is no key for a fiber: it panics on a [`FiberPool`](crate::FiberPool)'s workers, and in place it
/// is the id of the caller's task, which changes when the caller goes.
///
/// # Examples
///
/// ```
/// use tokio::task::yield_now;
/// use tower_fiber::{WaitExt as _, fiber_id, join, run_in_fiber};
///
/// # #[tokio::main]
/// # async fn main() {
/// run_in_fiber(|| {
///     let id = fiber_id().expect("it is a fiber");
///     yield_now().wait();
///     assert_eq!(fiber_id(), Some(id));
///     println!("[{id}] out of stock");
///     let (first, second) = join(fiber_id, fiber_id);
///     assert!(first != second && first != Some(id));
/// })
/// .await;
/// assert_eq!(fiber_id(), None);
/// # }
/// ```
#[must_use]
pub fn fiber_id() -> Option<FiberId> {
    with_current(|state| state.map(|state| state.id()))
}
