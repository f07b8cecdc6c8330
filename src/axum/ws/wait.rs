//! Waits for the methods of a websocket.

use std::{future::Future, thread};

use crate::{error::TryAwaitError, wait::try_await_in_fiber};

/// Why a wait was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    Cancelled,
    Unwinding,
}

/// # Panics
///
/// Where no wait is possible, except during unwinding, where a panic would end the process.
#[track_caller]
pub(super) fn wait<F: Future>(future: F) -> Result<F::Output, GivenUp> {
    match try_await_in_fiber(future) {
        Ok(output) => Ok(output),
        Err(TryAwaitError::Cancelled(_)) => Err(GivenUp::Cancelled),
        Err(TryAwaitError::Unwinding) => Err(GivenUp::Unwinding),
        Err(_) if thread::panicking() => Err(GivenUp::Unwinding),
        Err(error) => panic!("{error}"),
    }
}
