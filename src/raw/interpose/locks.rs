//! `flock` and `lockf`, which nothing tells of: they are asked now and then.

use std::time::Duration;

use libc::{c_int, off_t};
use syscalls::Sysno;

use super::{
    At, Call, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, errno, finish},
    libc_next::Next,
};

pub(super) static FLOCK: Call = Call::new("flock");
pub(super) static LOCKF: Call = Call::new("lockf");

const LOOKS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(16)];

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
    finish(lock_by(&FLOCK, waits, here(), || ask(operation), || ask(operation | libc::LOCK_NB))) as c_int
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
    finish(lock_by(&LOCKF, command == libc::F_LOCK, here(), || ask(command), at_once)) as c_int
}

fn lock_by(
    call: &'static Call,
    waits: bool,
    at: At,
    block: impl FnOnce() -> Returned,
    at_once: impl Fn() -> Returned,
) -> Returned {
    let bridge = match gate::open() {
        Some(bridge) if waits => bridge,
        _ => return block(),
    };
    let first = at_once();
    if first != AGAIN {
        return first;
    }
    let wait = || {
        let [mut pause, longest] = LOOKS;
        loop {
            bridge.doze(pause, at)?;
            let returned = at_once();
            if returned != AGAIN {
                return Ok(returned);
            }
            pause = (pause * 2).min(longest);
        }
    };
    wait_or_block(call, wait, block).unwrap_or_else(error_of)
}
