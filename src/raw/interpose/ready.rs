//! `poll`, `ppoll`, and the variants of `epoll_wait`.

use std::{collections::BTreeMap, os::fd::RawFd, ptr, slice, time::Duration};

use libc::{c_int, epoll_event, nfds_t, pollfd, sigset_t, timespec};
use syscalls::Sysno;

use super::{
    At, Call, Direction, Refused, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, finish, poll_now},
    sleep::duration,
};

pub(super) static POLL: Call = Call::new("poll");
pub(super) static PPOLL: Call = Call::new("ppoll");
pub(super) static EPOLL_WAIT: Call = Call::new("epoll_wait");
pub(super) static EPOLL_PWAIT: Call = Call::new("epoll_pwait");
pub(super) static EPOLL_PWAIT2: Call = Call::new("epoll_pwait2");

/// The kernel's signal sets are smaller than libc's.
const SIGSET_SIZE: usize = 8;

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    None,
    AtOnce,
    After(Duration),
}

impl Until {
    fn millis(millis: c_int) -> Self {
        match u64::try_from(millis) {
            Err(_) => Self::None,
            Ok(0) => Self::AtOnce,
            Ok(millis) => Self::After(Duration::from_millis(millis)),
        }
    }

    /// `None` if the kernel refuses such a time.
    pub(super) fn of(time: Option<timespec>) -> Option<Self> {
        Some(match time {
            None => Self::None,
            Some(time) => match duration(time)? {
                Duration::ZERO => Self::AtOnce,
                time => Self::After(time),
            },
        })
    }

    pub(super) fn after(self) -> Option<Duration> {
        match self {
            Self::After(time) => Some(time),
            Self::None | Self::AtOnce => None,
        }
    }
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn poll(fds: *mut pollfd, count: nfds_t, millis: c_int) -> c_int {
    let plain = || {
        let limit = (millis >= 0)
            .then(|| timespec { tv_sec: i64::from(millis / 1000), tv_nsec: i64::from(millis % 1000) * 1_000_000 });
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        let args = [fds.expose_provenance(), count as usize, limit.expose_provenance(), 0, 0, 0];
        // SAFETY: invariant 17: the descriptors are the caller's, and the time is on this frame.
        unsafe { kernel::call(Sysno::ppoll, args) }
    };
    // SAFETY: invariant 17: the descriptors are the caller's, for the same call.
    finish(unsafe { poll_for(&POLL, fds, count, Until::millis(millis), here(), plain) }) as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn ppoll(
    fds: *mut pollfd,
    count: nfds_t,
    time: *const timespec,
    signals: *const sigset_t,
) -> c_int {
    // SAFETY: invariant 17: the caller passes a time or null.
    let given = unsafe { time.as_ref() }.copied();
    let plain = || {
        // The kernel writes the remaining time into its argument; the libc function hides that from its caller.
        let mut time = given;
        let time = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        let args = [
            fds.expose_provenance(),
            count as usize,
            time.expose_provenance(),
            signals.expose_provenance(),
            SIGSET_SIZE,
            0,
        ];
        // SAFETY: invariant 17: descriptors and signals are the caller's, and the time is on this frame.
        unsafe { kernel::call(Sysno::ppoll, args) }
    };
    let returned = match Until::of(given) {
        // A call with a signal mask changes that of the thread, so it is passed on to the kernel.
        Some(limit) if signals.is_null() => {
            // SAFETY: invariant 17: the descriptors are the caller's, for the same call.
            unsafe { poll_for(&PPOLL, fds, count, limit, here(), plain) }
        }
        _ => plain(),
    };
    finish(returned) as c_int
}

/// # Safety
///
/// As for `poll`.
unsafe fn poll_for(
    call: &'static Call,
    fds: *mut pollfd,
    count: nfds_t,
    limit: Until,
    at: At,
    plain: impl FnOnce() -> Returned,
) -> Returned {
    let bridge = match gate::open() {
        Some(bridge) if limit != Until::AtOnce && count > 0 && !fds.is_null() => bridge,
        Some(bridge) if limit != Until::AtOnce && count == 0 => {
            // Some programs sleep by a call without descriptors.
            let time = limit.after().unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
            return wait_or_block(call, || bridge.sleep_unless_cancelled(time, at).map(|()| 0), plain)
                .unwrap_or_else(error_of);
        }
        _ => return plain(),
    };
    // SAFETY: invariant 17: the caller passes as many descriptors as it says, for this call alone.
    let fds = unsafe { slice::from_raw_parts_mut(fds, count as usize) };
    let first = poll_now(fds);
    if first != 0 {
        return first;
    }
    let Some(wanted) = each_once(fds) else { return plain() };
    let mut again = || match poll_now(fds) {
        0 => AGAIN,
        returned => returned,
    };
    match wait_or_block(call, || bridge.any_ready(&wanted, limit.after(), at, &mut again), plain) {
        Err(Refused::Elapsed) => 0,
        waited => waited.unwrap_or_else(error_of),
    }
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    millis: c_int,
) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for a call that this is a case of.
    finish(unsafe { epoll_for(&EPOLL_WAIT, epoll, events, count, Millis(millis), ptr::null(), here()) }) as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn epoll_pwait(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    millis: c_int,
    signals: *const sigset_t,
) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { epoll_for(&EPOLL_PWAIT, epoll, events, count, Millis(millis), signals, here()) }) as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn epoll_pwait2(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    time: *const timespec,
    signals: *const sigset_t,
) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { epoll_for(&EPOLL_PWAIT2, epoll, events, count, Time(time), signals, here()) }) as c_int
}

/// The descriptors that are waited for, each once with all its events; `None` if a standard one is among them.
fn each_once(fds: &[pollfd]) -> Option<Vec<(RawFd, i16)>> {
    let mut wanted = BTreeMap::<RawFd, i16>::new();
    for one in fds.iter().filter(|one| one.fd >= 0) {
        *wanted.entry(one.fd).or_default() |= one.events;
    }
    let lowest = *wanted.first_key_value()?.0;
    gate::open_for(lowest).map(|_| wanted.into_iter().collect())
}

use Given::{Millis, Time};

/// A limit as the call has it.
#[derive(Clone, Copy)]
enum Given {
    Millis(c_int),
    Time(*const timespec),
}

/// # Safety
///
/// As for `epoll_pwait2`.
unsafe fn epoll_for(
    call: &'static Call,
    epoll: RawFd,
    events: *mut epoll_event,
    count: c_int,
    given: Given,
    signals: *const sigset_t,
    at: At,
) -> Returned {
    let (number, time) = match given {
        Millis(millis) => (Sysno::epoll_pwait, arg(millis)),
        Time(time) => (Sysno::epoll_pwait2, time.expose_provenance()),
    };
    let args = |epoll, time| {
        [arg(epoll), events.expose_provenance(), arg(count), time, signals.expose_provenance(), SIGSET_SIZE]
    };
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain = || unsafe { kernel::call(number, args(epoll, time)) };
    let limit = match given {
        Millis(millis) => Some(Until::millis(millis)),
        // SAFETY: invariant 17: the caller passes a time or null.
        Time(time) => Until::of(unsafe { time.as_ref() }.copied()),
    };
    let (bridge, limit) = match (gate::open_for(epoll), limit) {
        (Some(bridge), Some(limit)) if limit != Until::AtOnce && signals.is_null() => (bridge, limit),
        _ => return plain(),
    };
    // SAFETY: invariant 17: the arguments are the caller's, for a call that does not wait.
    let mut at_once = |epoll, _| match unsafe { kernel::call(Sysno::epoll_pwait, args(epoll, 0)) } {
        0 => AGAIN,
        returned => returned,
    };
    let first = at_once(epoll, false);
    if first != AGAIN {
        return first;
    }
    let wait = || bridge.ready(epoll, Direction::In, limit.after(), at, &mut at_once);
    match wait_or_block(call, wait, plain) {
        Err(Refused::Elapsed) => 0,
        waited => waited.unwrap_or_else(error_of),
    }
}
