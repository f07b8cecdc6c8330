//! [`wait_mode`]: tells how the current code can wait.

use crate::{blocking, raw::with_current};

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

/// Whether this code runs in a fiber.
#[must_use]
pub fn in_fiber() -> bool {
    with_current(|state| state.is_some())
}
