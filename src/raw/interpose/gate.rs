//! Which calls may suspend the fiber that makes them.

use std::{cell::Cell, os::fd::RawFd, sync::atomic::Ordering, thread};

use super::{At, BRIDGE, Bridge, Call, Refused, kernel};
use crate::{
    raw::{
        foreign,
        stack::stack_pointer,
        state::{self, State},
        with_current,
    },
    util::held::Held,
};

thread_local! {
    /// The usual signal mask of this thread, and its process.
    static USUAL: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// The bridge, if the code runs in a fiber that waits by it.
#[inline(always)]
pub(super) fn open() -> Option<&'static dyn Bridge> {
    if state::address() == 0 { None } else { open_in_fiber() }
}

/// Calls on descriptors up to this one are always passed on: logs are written to them under a lock that the thread
/// holds.
const LAST_STANDARD: RawFd = 2;

/// As `open`, for a call on one descriptor.
#[inline(always)]
pub(super) fn open_for(fd: RawFd) -> Option<&'static dyn Bridge> {
    if fd > LAST_STANDARD { open() } else { None }
}

fn open_in_fiber() -> Option<&'static dyn Bridge> {
    let bridge = *BRIDGE.get()?;
    let waits = |state: &State| !state.is_misplaced() && state.owner().is_interposed();
    if Held::is_there() || !with_current(|state| state.is_some_and(waits)) {
        return None;
    }
    if USUAL.get().is_none() {
        USUAL.set(Some((kernel::signal_mask(), kernel::process_id())));
    }
    Some(bridge)
}

/// Whether the fiber can suspend right here, where a call has to wait. The signal mask belongs to the thread, so a
/// signal handler and code that blocks signals must not suspend, and neither must a child of `fork`.
fn can_suspend() -> bool {
    let here = stack_pointer();
    with_current(|state| state.is_some_and(|state| state.usable().contains(&here) && !is_held(state)))
        && !thread::panicking()
        && USUAL.get() == Some((kernel::signal_mask(), kernel::process_id()))
}

/// Whether the code holds something that it must not hold while it is suspended.
fn is_held(state: &State) -> bool {
    foreign(|| state.is_barred()).unwrap_or(true)
}

/// Calls `wait` if the fiber can suspend here. If it cannot, or has nothing to wait with, calls `block`, which blocks
/// the thread.
pub(super) fn wait_or_block<R>(
    call: &'static Call,
    wait: impl FnOnce() -> Result<R, Refused>,
    block: impl FnOnce() -> R,
) -> Result<R, Refused> {
    if can_suspend() {
        match wait() {
            Err(Refused::Unable) => {}
            waited => {
                call.suspended.fetch_add(1, Ordering::Relaxed);
                return waited;
            }
        }
    }
    call.blocked.fetch_add(1, Ordering::Relaxed);
    Ok(block())
}

/// The error that a call returns for a wait that was refused.
pub(super) fn error_of(refused: Refused) -> super::Returned {
    let errno = match refused {
        Refused::Cancelled => libc::ECONNABORTED,
        Refused::Elapsed | Refused::Unable => libc::EAGAIN,
        Refused::Closed => libc::EBADF,
    };
    -(errno as super::Returned)
}

#[track_caller]
pub(super) fn here() -> At {
    std::panic::Location::caller()
}
