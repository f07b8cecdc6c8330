//! `sendfile` and `splice`, with which std copies files, pipes and sockets.

use std::os::fd::RawFd;

use libc::{c_int, c_uint, loff_t, off_t, size_t, ssize_t};
use syscalls::Sysno;

use super::{
    At, Bridge, Call, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, finish, is_ready},
    streams::PIPE_BUF,
};

pub(super) static SENDFILE: Call = Call::new("sendfile");
pub(super) static SENDFILE64: Call = Call::new("sendfile64");
pub(super) static SPLICE: Call = Call::new("splice");

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sendfile(to: c_int, from: c_int, offset: *mut off_t, len: size_t) -> ssize_t {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { send_file(&SENDFILE, to, from, offset.expose_provenance(), len) })
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sendfile64(to: c_int, from: c_int, offset: *mut off_t, len: size_t) -> ssize_t {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { send_file(&SENDFILE64, to, from, offset.expose_provenance(), len) })
}

/// # Safety
///
/// As for `sendfile`.
unsafe fn send_file(call: &'static Call, to: RawFd, from: RawFd, offset: usize, len: usize) -> Returned {
    let at = here();
    // SAFETY: invariant 17: the arguments are the caller's, for the same call, or for less of it.
    let ask = |len| unsafe { kernel::call(Sysno::sendfile, [arg(to), arg(from), offset, len, 0, 0]) };
    let Some(bridge) = open(&[to]) else { return ask(len) };
    let mut at_once = || if is_ready(to, libc::POLLOUT) { ask(len.min(PIPE_BUF)) } else { AGAIN };
    until(call, bridge, &[(to, libc::POLLOUT)], at, &mut at_once, || ask(len))
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn splice(
    from: c_int,
    from_offset: *mut loff_t,
    to: c_int,
    to_offset: *mut loff_t,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    let ask = |len, flags: c_uint| {
        let offsets = [from_offset.expose_provenance(), to_offset.expose_provenance()];
        let args = [arg(from), offsets[0], arg(to), offsets[1], len, flags as usize];
        // SAFETY: invariant 17: the arguments are the caller's, for the same call, or for less of it.
        unsafe { kernel::call(Sysno::splice, args) }
    };
    let bridge = match open(&[from, to]) {
        Some(bridge) if flags & libc::SPLICE_F_NONBLOCK == 0 => bridge,
        _ => return finish(ask(len, flags)),
    };
    let both = [(from, libc::POLLIN), (to, libc::POLLOUT)];
    let mut at_once = || {
        if both.iter().all(|&(fd, events)| is_ready(fd, events)) {
            ask(len.min(PIPE_BUF), flags | libc::SPLICE_F_NONBLOCK)
        } else {
            AGAIN
        }
    };
    finish(until(&SPLICE, bridge, &both, here(), &mut at_once, || ask(len, flags)))
}

/// The bridge, if each of these descriptors blocks and is no standard one.
fn open(fds: &[RawFd]) -> Option<&'static dyn Bridge> {
    let lowest = *fds.iter().min()?;
    gate::open_for(lowest).filter(|_| fds.iter().all(|&fd| kernel::is_blocking(fd)))
}

/// Waits for one descriptor after the other, until all that the call needs are ready in the same moment.
fn until(
    call: &'static Call,
    bridge: &'static dyn Bridge,
    fds: &[(RawFd, i16)],
    at: At,
    at_once: &mut dyn FnMut() -> Returned,
    block: impl FnOnce() -> Returned,
) -> Returned {
    let first = at_once();
    if first != AGAIN {
        return first;
    }
    let wait = || {
        loop {
            for &(fd, events) in fds {
                let mut look = || if is_ready(fd, events) { 0 } else { AGAIN };
                if look() == AGAIN {
                    bridge.any_ready(&[(fd, events)], None, at, &mut look)?;
                }
            }
            let returned = at_once();
            if returned != AGAIN {
                return Ok(returned);
            }
        }
    };
    wait_or_block(call, wait, block).unwrap_or_else(error_of)
}
