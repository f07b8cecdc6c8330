//! How locks and channels wait, wherever their code runs.

use std::{future::Future, time::Duration};

use crate::{
    blocking::block,
    wait::{WaitMode, await_in_fiber, note_ready, wait_mode},
};

/// Returns what could be had at once, or waits.
#[track_caller]
pub(super) fn take<R>(at_once: Option<R>, future: impl Future<Output = R>) -> R {
    match at_once {
        Some(taken) => {
            note_ready();
            taken
        }
        None => wait(future),
    }
}

/// Suspends the fiber, or blocks the thread if the code is in none.
#[track_caller]
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    match wait_mode() {
        WaitMode::None => block(future, None).unwrap_or_else(|| unreachable!("it has no limit")),
        _ => await_in_fiber(future),
    }
}

/// Like [`wait`], for as long as `limit` at most.
#[track_caller]
pub(super) fn wait_for<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    match wait_mode() {
        WaitMode::None => block(future, Some(limit)),
        _ => await_in_fiber(tokio::time::timeout(limit, future)).ok(),
    }
}
