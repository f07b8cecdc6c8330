//! [`yield_now`].

use std::task::Poll;

use super::await_in_fiber;

/// Lets other tasks of the thread run, once.
///
/// # Cancel safety
///
/// Same as [`await_in_fiber`].
///
/// # Panics
///
/// Same as [`await_in_fiber`].
#[track_caller]
pub fn yield_now() {
    let mut yielded = false;
    await_in_fiber(std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
}
