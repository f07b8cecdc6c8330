//! The common path of calls that wait for one descriptor: try, wait, try again.

use std::{os::fd::RawFd, time::Duration};

use libc::pollfd;

use super::{
    At, Bridge, Call, Direction, Returned,
    gate::{self, error_of, wait_or_block},
    kernel::{self, AGAIN, poll_now},
};

/// How a call is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As the caller has asked for.
    AsIs,
    /// So that it returns `-EAGAIN` where it would wait.
    AtOnce,
}

/// Makes a call on one descriptor, which may suspend the fiber if it `waits` at all.
// Inlined with the call that goes on, because the processor mispredicts each return after a system call.
#[inline(always)]
pub(super) fn transfer(
    call: &'static Call,
    fd: RawFd,
    direction: Direction,
    waits: bool,
    at: At,
    mut attempt: impl FnMut(RawFd, How) -> Returned,
) -> Returned {
    match gate::open_for(fd) {
        Some(bridge) if waits => try_first(call, bridge, fd, direction, at, &mut attempt),
        _ => attempt(fd, How::AsIs),
    }
}

fn try_first(
    call: &'static Call,
    bridge: &'static dyn Bridge,
    fd: RawFd,
    direction: Direction,
    at: At,
    attempt: &mut dyn FnMut(RawFd, How) -> Returned,
) -> Returned {
    let first = attempt(fd, How::AtOnce);
    if first != AGAIN || !kernel::is_blocking(fd) {
        return first;
    }
    let limit = time_limit(fd, direction);
    let mut again = |fd, has_ended| match attempt(fd, How::AtOnce) {
        // On a datagram socket that was shut down, the unchanged call returns at once, but the one that does not wait
        // returns `-EAGAIN`.
        AGAIN if has_ended && direction == Direction::In && is_shut_down(fd) => attempt(fd, How::AsIs),
        returned => returned,
    };
    let waited = wait_or_block(call, || bridge.ready(fd, direction, limit, at, &mut again), || AGAIN);
    match waited {
        // The kernel measures the limit anew.
        Ok(AGAIN) => attempt(fd, How::AsIs),
        waited => waited.unwrap_or_else(error_of),
    }
}

/// The result of a call that has transferred a part before its time was up or its fiber was cancelled.
pub(super) fn part_or(done: usize, returned: Returned) -> Returned {
    if returned < 0 && done > 0 { done as Returned } else { returned }
}

fn is_shut_down(fd: RawFd) -> bool {
    let mut one = [pollfd { fd, events: libc::POLLRDHUP, revents: 0 }];
    poll_now(&mut one) > 0 && one[0].revents & libc::POLLRDHUP != 0
}

/// The socket's own limit for calls that wait.
pub(super) fn time_limit(fd: RawFd, direction: Direction) -> Option<Duration> {
    let option = match direction {
        Direction::In => libc::SO_RCVTIMEO,
        Direction::Out => libc::SO_SNDTIMEO,
    };
    let [seconds, micros] = kernel::socket_option::<[i64; 2]>(fd, option)?;
    let limit = Duration::from_secs(u64::try_from(seconds).ok()?) + Duration::from_micros(u64::try_from(micros).ok()?);
    Some(limit).filter(|limit| !limit.is_zero())
}
