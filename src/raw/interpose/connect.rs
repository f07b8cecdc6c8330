//! `connect`, `accept`, `accept4`.

use std::{os::fd::RawFd, time::Duration};

use libc::{c_int, sockaddr, socklen_t};
use syscalls::Sysno;

use super::{
    At, Call, Direction, Refused, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, finish, is_ready},
    transfer::{How, time_limit, transfer},
};

pub(super) static ACCEPT: Call = Call::new("accept");
pub(super) static ACCEPT4: Call = Call::new("accept4");
pub(super) static CONNECT: Call = Call::new("connect");

/// How often a local socket tries again to connect while its listener has no room, since the kernel reports no end of
/// that.
const LOOK: Duration = Duration::from_millis(1);

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn accept(fd: c_int, address: *mut sockaddr, size: *mut socklen_t) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for a call that `accept` is a case of.
    finish(unsafe { accept_one(&ACCEPT, fd, [address.expose_provenance(), size.expose_provenance()], 0, here()) })
        as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn accept4(
    fd: c_int,
    address: *mut sockaddr,
    size: *mut socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { accept_one(&ACCEPT4, fd, [address.expose_provenance(), size.expose_provenance()], flags, here()) })
        as c_int
}

/// # Safety
///
/// As for `accept4`.
unsafe fn accept_one(call: &'static Call, fd: RawFd, from: [usize; 2], flags: c_int, at: At) -> Returned {
    transfer(call, fd, Direction::In, true, at, |fd, how| {
        // No `accept` returns at once. Between the check and the call, a thread outside of fibers may take the
        // connection.
        if how == How::AtOnce && !is_ready(fd, libc::POLLIN) {
            return AGAIN;
        }
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        unsafe { kernel::call(Sysno::accept4, [arg(fd), from[0], from[1], arg(flags), 0, 0]) }
    })
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn connect(fd: c_int, address: *const sockaddr, size: socklen_t) -> c_int {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain =
        || unsafe { kernel::call(Sysno::connect, [arg(fd), address.expose_provenance(), size as usize, 0, 0, 0]) };
    let bridge = match gate::open_for(fd) {
        Some(bridge) if kernel::is_blocking(fd) => bridge,
        _ => return finish(plain()) as c_int,
    };
    let at = here();
    let limit = time_limit(fd, Direction::Out);
    let mut begun = 0;
    let wait = || {
        loop {
            // The descriptor blocks again before other code can see it.
            kernel::set_blocking(fd, false);
            begun = plain();
            kernel::set_blocking(fd, true);
            match begun {
                AGAIN => bridge.sleep_unless_cancelled(LOOK, at)?,
                _ if [libc::EINPROGRESS, libc::EALREADY].map(|errno| -(errno as Returned)).contains(&begun) => break,
                _ => return Ok(begun),
            }
        }
        bridge.ready(fd, Direction::Out, limit, at, &mut |fd, _| {
            if !is_ready(fd, libc::POLLOUT) {
                return AGAIN;
            }
            -(kernel::socket_option::<c_int>(fd, libc::SO_ERROR).unwrap_or(0) as Returned)
        })
    };
    let waited = wait_or_block(&CONNECT, wait, plain);
    finish(match waited {
        Err(Refused::Elapsed) => begun,
        connected => connected.unwrap_or_else(error_of),
    }) as c_int
}
