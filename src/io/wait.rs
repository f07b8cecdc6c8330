//! Waits for I/O operations.

use std::{
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    pin::pin,
    task::{Context, Poll},
};

use super::limit::TimeLimit;
use crate::wait::try_await_in_fiber;

/// Waits until `operation` is ready, and repeats it while it is interrupted, as the loops in std do.
#[track_caller]
pub(super) fn wait<R>(
    limit: TimeLimit,
    mut operation: impl FnMut(&mut Context<'_>) -> Poll<io::Result<R>>,
) -> io::Result<R> {
    loop {
        match wait_within(limit, poll_fn(&mut operation)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits for `future`, but no longer than `limit`.
#[track_caller]
pub(super) fn wait_within<R>(limit: TimeLimit, future: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    let mut timer = pin!(None);
    let mut future = pin!(future);
    let limited = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => limit.poll(timer.as_mut(), cx).map(Err),
    });
    try_await_in_fiber(limited).unwrap_or_else(|refused| Err(refused.into()))
}
