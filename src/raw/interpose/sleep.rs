//! `nanosleep`, `clock_nanosleep`, `usleep`, `sleep`.

use std::{mem::MaybeUninit, time::Duration};

use libc::{c_int, c_uint, clockid_t, timespec, useconds_t};
use syscalls::Sysno;

use super::{
    At, Call, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, arg, finish},
};

pub(super) static CLOCK_NANOSLEEP: Call = Call::new("clock_nanosleep");
pub(super) static NANOSLEEP: Call = Call::new("nanosleep");
pub(super) static SLEEP: Call = Call::new("sleep");
pub(super) static USLEEP: Call = Call::new("usleep");

/// Converts a time, if the kernel would accept it.
pub(super) fn duration(time: timespec) -> Option<Duration> {
    let nanos = u32::try_from(time.tv_nsec).ok().filter(|&nanos| nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanos))
}

pub(super) fn time(duration: Duration) -> timespec {
    timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain = || unsafe { sleep_in_kernel(libc::CLOCK_REALTIME, 0, time, left) };
    // SAFETY: invariant 17: the caller passes the address of a time.
    finish(sleep_for(&NANOSLEEP, duration(unsafe { time.read() }), here(), plain)) as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    left: *mut timespec,
) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain = || unsafe { sleep_in_kernel(clock, flags, time, left) };
    let is_known = matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC | libc::CLOCK_BOOTTIME);
    // SAFETY: invariant 17: the caller passes the address of a time.
    let given = duration(unsafe { time.read() }).filter(|_| is_known);
    let rest = match flags {
        0 => given,
        libc::TIMER_ABSTIME => given.and_then(|until| Some(until.saturating_sub(now(clock)?))),
        _ => None,
    };
    // This one returns the error itself.
    -(sleep_for(&CLOCK_NANOSLEEP, rest, here(), plain) as c_int)
}

/// As libc's.
///
/// # Safety
///
/// It takes a number only.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn usleep(micros: useconds_t) -> c_int {
    finish(sleep_or_block(&USLEEP, Duration::from_micros(u64::from(micros)), here())) as c_int
}

/// As libc's.
///
/// # Safety
///
/// It takes a number only.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    let mut left = timespec { tv_sec: 0, tv_nsec: 0 };
    let whole = Duration::from_secs(u64::from(seconds));
    let asked = time(whole);
    let plain = || {
        // SAFETY: invariant 17: both times are on this frame.
        unsafe { sleep_in_kernel(libc::CLOCK_REALTIME, 0, &raw const asked, &raw mut left) }
    };
    let returned = sleep_for(&SLEEP, Some(whole), here(), plain);
    // The time that remained when a signal arrived.
    if returned < 0 { left.tv_sec as c_uint + c_uint::from(left.tv_nsec >= 500_000_000) } else { 0 }
}

fn sleep_or_block(call: &'static Call, whole: Duration, at: At) -> Returned {
    let asked = time(whole);
    // SAFETY: invariant 17: the time is on this frame, and what is left is not asked for.
    let plain = || unsafe { sleep_in_kernel(libc::CLOCK_REALTIME, 0, &raw const asked, std::ptr::null_mut()) };
    sleep_for(call, Some(whole), at, plain)
}

/// Sleeps for a time that is known.
fn sleep_for(call: &'static Call, rest: Option<Duration>, at: At, plain: impl FnOnce() -> Returned) -> Returned {
    match (gate::open(), rest) {
        (Some(bridge), Some(rest)) if !rest.is_zero() => {
            wait_or_block(call, || bridge.sleep(rest, at).map(|()| 0), plain).unwrap_or_else(error_of)
        }
        _ => plain(),
    }
}

/// # Safety
///
/// As for `clock_nanosleep`.
unsafe fn sleep_in_kernel(clock: clockid_t, flags: c_int, time: *const timespec, left: *mut timespec) -> Returned {
    let args = [arg(clock), arg(flags), time.expose_provenance(), left.expose_provenance(), 0, 0];
    // SAFETY: invariant 17: the caller promises for the times.
    unsafe { kernel::call(Sysno::clock_nanosleep, args) }
}

pub(super) fn now(clock: clockid_t) -> Option<Duration> {
    let mut now = MaybeUninit::<timespec>::zeroed();
    let args = [arg(clock), now.as_mut_ptr().expose_provenance(), 0, 0, 0, 0];
    // SAFETY: invariant 17: the call writes no more than one time.
    let returned = unsafe { kernel::call(Sysno::clock_gettime, args) };
    // SAFETY: invariant 17: all zeros are a time, and so is what the call has written.
    let now = unsafe { now.assume_init() };
    if returned == 0 { duration(now) } else { None }
}
