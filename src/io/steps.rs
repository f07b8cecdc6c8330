//! How an operation waits: step by step, in one wait.

use std::{
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    ops::ControlFlow,
    pin::pin,
    task::{Context, Poll},
};

use super::limit::Limit;
use crate::wait::{try_await_in_fiber, yield_if_possible};

/// What a step of an operation came to: more of them, or its result.
pub(super) type Step<R> = Poll<io::Result<ControlFlow<R>>>;

/// Steps in a row without a wait, after which other tasks of the thread have their turn.
const STEPS: usize = 128;

/// Takes steps until there is a result. The limit is one for each step that is pending.
#[track_caller]
pub(super) fn wait_steps<R>(limit: Limit, mut step: impl FnMut(&mut Context<'_>) -> Step<R>) -> io::Result<R> {
    let mut timer = pin!(None);
    loop {
        let steps = poll_fn(|cx| {
            for _ in 0..STEPS {
                match step(cx) {
                    Poll::Ready(Ok(ControlFlow::Continue(()))) => timer.set(None),
                    Poll::Ready(Ok(ControlFlow::Break(result))) => return Poll::Ready(Some(Ok(result))),
                    Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                    Poll::Pending => return limit.poll(timer.as_mut(), cx).map(|error| Some(Err(error))),
                }
            }
            Poll::Ready(None)
        });
        match try_await_in_fiber(steps) {
            Ok(Some(result)) => return result,
            // Not by a pending poll: where the fiber cannot suspend, that would be an error.
            Ok(None) => yield_if_possible(),
            Err(refused) => return Err(refused.into()),
        }
    }
}

/// An operation of one step.
#[track_caller]
pub(super) fn wait_step<R>(
    limit: Limit,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<io::Result<R>>,
) -> io::Result<R> {
    wait_steps(limit, |cx| step(cx).map_ok(ControlFlow::Break))
}

/// Waits for a future that was not polled yet, for as long as the limit says in all.
#[track_caller]
pub(super) fn wait_within<R>(limit: Limit, future: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    let mut timer = pin!(None);
    let mut future = pin!(future);
    let limited = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => limit.poll(timer.as_mut(), cx).map(Err),
    });
    try_await_in_fiber(limited).unwrap_or_else(|refused| Err(refused.into()))
}
