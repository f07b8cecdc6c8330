//! The stack of the current code: how much of it is left, and how to run on another one.

use crate::raw;

/// Runs `f` on the thread's stack, for code that cannot run on a fiber's stack.
///
/// Some code compares its stack pointer with the limits of the *thread's* stack, and fails in a fiber (parsers made
/// with pest 2.9: "stack limit reached"). Other code needs more stack than a fiber has. `f` runs below the frames of
/// the code that polls the fiber, and no other work runs on the thread until `f` returns. Outside fibers it just runs
/// `f`.
///
/// # Panics
///
/// If `f` does, with the same payload. A wait inside `f` is refused, because the fiber cannot suspend there:
/// [`await_in_fiber`] panics, [`try_await_in_fiber`] returns [`OnThreadStack`]. A future or service polled inside `f`
/// may run fibers of its own.
///
/// [`await_in_fiber`]: crate::await_in_fiber
/// [`try_await_in_fiber`]: crate::try_await_in_fiber
/// [`OnThreadStack`]: crate::error::TryAwaitError::OnThreadStack
///
/// # Examples
///
/// ```
/// use tower_fiber::{FiberLayer, on_thread_stack, remaining_stack};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_fiber::error::ConfigError> {
/// let layer = FiberLayer::builder().stack_size(64 * 1024).build()?;
/// layer.run(|| {
///     assert!(remaining_stack() < Some(64 * 1024));
///     let sum: u64 = on_thread_stack(|| [1_u64; 100_000].iter().sum()); // 800,000 bytes of stack
///     assert_eq!(sum, 100_000);
/// })
/// .await;
/// # Ok(())
/// # }
/// ```
pub fn on_thread_stack<R>(f: impl FnOnce() -> R) -> R {
    raw::on_thread_stack(f)
}

/// Returns how many bytes are left on the current stack, of a fiber or a thread, for code that guards its own
/// recursion.
///
/// Returns `None` where this is not known: on a thread's own stack except on Linux, and on a stack that another library
/// made (`stacker::grow`). A call costs a few instructions, except for the first one on a thread's own stack.
///
/// # Examples
///
/// ```
/// use tower_fiber::{remaining_stack, run_in_fiber};
///
/// fn depth(level: u32) -> u32 {
///     if remaining_stack().is_some_and(|bytes| bytes < 256 * 1024) { level } else { depth(level + 1) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert!(run_in_fiber(|| depth(0)).await > 1000);
/// # }
/// ```
#[must_use]
pub fn remaining_stack() -> Option<usize> {
    raw::remaining_stack()
}
