//! [`no_wait`]: sections in which nothing suspends.

use crate::raw::with_current;

/// Runs `f` and does not let the fiber suspend in it.
///
/// Put it around code that must not interleave with the thread's other fibers: a call into an interpreter, a reentrant
/// lock, a scope in a thread-local. Waits inside `f` are refused, so that one which was overlooked is found:
/// [`await_in_fiber`](crate::await_in_fiber) panics, and [`try_await_in_fiber`](crate::try_await_in_fiber) returns
/// [`NoWait`](crate::error::TryAwaitError::NoWait). With the feature `interpose`, libc's calls in `f` block the thread
/// as they do without it. Outside fibers `no_wait` just runs `f`.
///
/// # Panics
///
/// If `f` does.
///
/// # Examples
///
/// ```
/// use tower_fiber::{error::TryAwaitError, no_wait, run_in_fiber, try_await_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = run_in_fiber(|| no_wait(|| try_await_in_fiber(async {}).is_err())).await;
/// assert!(refused);
/// # }
/// ```
pub fn no_wait<R>(f: impl FnOnce() -> R) -> R {
    with_current(|state| {
        let _refused = state.map(|state| state.no_wait());
        f()
    })
}
