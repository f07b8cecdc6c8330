//! Asking where the code runs.

use crate::{blocking, raw::with_current};

/// How a wait at this point is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitMode {
    /// The code runs in a fiber, which suspends.
    Fiber,
    /// The code runs under [`block_on_waits`](crate::block_on_waits), and the thread is blocked.
    Blocking,
    /// A wait is refused.
    None,
}

/// How a wait at this point is done.
///
/// Inside the `poll` of a future that is waited for, where nested waits are refused, it is that of the code around.
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
