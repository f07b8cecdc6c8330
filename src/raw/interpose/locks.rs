//! `flock` and `lockf`. The kernel does not report that a lock is free, so the calls are repeated now and then.

use std::{os::fd::RawFd, time::Duration};

use libc::{c_int, off_t};
use syscalls::Sysno;

use super::{
    At, Bridge, Call, Refused, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, errno, finish},
    libc_next::Next,
};

pub(super) static FLOCK: Call = Call::new("flock");
pub(super) static LOCKF: Call = Call::new("lockf");

/// The pauses between two attempts, since the kernel does not report that a lock is free: the first, which doubles, and
/// the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(16)];

type Lockf = unsafe extern "C" fn(c_int, c_int, off_t) -> c_int;

static NEXT_LOCKF: Next = Next::new(c"lockf");

/// As libc's.
///
/// # Safety
///
/// It takes numbers only.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    let ask = |operation| unsafe { kernel::call(Sysno::flock, [arg(fd), arg(operation), 0, 0, 0, 0]) };
    let waits = operation & (libc::LOCK_NB | libc::LOCK_UN) == 0;
    finish(lock_by(&FLOCK, fd, waits, here(), || ask(operation), || ask(operation | libc::LOCK_NB))) as c_int
}

/// As libc's.
///
/// # Safety
///
/// It takes numbers only.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn lockf(fd: c_int, command: c_int, len: off_t) -> c_int {
    // SAFETY: invariant 17: the name is `lockf`, which has this type in libc.
    let next: Lockf = unsafe { NEXT_LOCKF.get() };
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    let ask = |command| match unsafe { next(fd, command, len) } {
        0 => 0,
        _ => -(errno() as Returned),
    };
    let at_once = || match ask(libc::F_TLOCK) {
        returned if returned == -(libc::EACCES as Returned) => AGAIN,
        returned => returned,
    };
    finish(lock_by(&LOCKF, fd, command == libc::F_LOCK, here(), || ask(command), at_once)) as c_int
}

fn lock_by(
    call: &'static Call,
    fd: RawFd,
    waits: bool,
    at: At,
    block: impl FnOnce() -> Returned,
    mut at_once: impl FnMut() -> Returned,
) -> Returned {
    let bridge = match gate::open_for(fd) {
        Some(bridge) if waits => bridge,
        _ => return block(),
    };
    let first = at_once();
    if first != AGAIN {
        return first;
    }
    wait_or_block(call, || try_again(bridge, at, &mut at_once), block).unwrap_or_else(error_of)
}

/// Tries now and then.
pub(super) fn try_again(
    bridge: &'static dyn Bridge,
    at: At,
    attempt: &mut dyn FnMut() -> Returned,
) -> Result<Returned, Refused> {
    let [mut pause, longest] = PAUSES;
    loop {
        bridge.sleep_unless_cancelled(pause, at)?;
        let returned = attempt();
        if returned != AGAIN {
            return Ok(returned);
        }
        pause = (pause * 2).min(longest);
    }
}
