//! `close` and its variants, which end the watch of a descriptor.

use libc::{c_int, c_uint};
use syscalls::Sysno;

use super::{
    BRIDGE,
    kernel::{self, arg, finish},
};

fn closing(first: c_int, last: c_int) {
    if let Some(bridge) = BRIDGE.get() {
        bridge.closing(first, last);
    }
}

/// Forgets a descriptor that is to become the same as another, if that one is there.
fn replacing(from: c_int, to: c_int) {
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    let flags = unsafe { kernel::call(Sysno::fcntl, [arg(from), libc::F_GETFD as usize, 0, 0, 0, 0]) };
    if flags >= 0 && from != to {
        closing(to, to);
    }
}

/// As libc's.
///
/// # Safety
///
/// The descriptor belongs to the caller.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn close(fd: c_int) -> c_int {
    closing(fd, fd);
    // SAFETY: invariant 17: the descriptor is the caller's to close.
    finish(unsafe { kernel::call(Sysno::close, [arg(fd), 0, 0, 0, 0, 0]) }) as c_int
}

/// As libc's.
///
/// # Safety
///
/// The descriptor that is replaced belongs to the caller.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn dup2(from: c_int, to: c_int) -> c_int {
    if from == to {
        // SAFETY: invariant 17: the call takes numbers only and touches no memory.
        let flags = unsafe { kernel::call(Sysno::fcntl, [arg(from), libc::F_GETFD as usize, 0, 0, 0, 0]) };
        return if flags < 0 { finish(flags) as c_int } else { to };
    }
    replacing(from, to);
    // SAFETY: invariant 17: the descriptor is the caller's to replace.
    finish(unsafe { kernel::call(Sysno::dup3, [arg(from), arg(to), 0, 0, 0, 0]) }) as c_int
}

/// As libc's.
///
/// # Safety
///
/// The descriptor that is replaced belongs to the caller.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    replacing(from, to);
    // SAFETY: invariant 17: the descriptor is the caller's to replace.
    finish(unsafe { kernel::call(Sysno::dup3, [arg(from), arg(to), arg(flags), 0, 0, 0]) }) as c_int
}

/// As libc's.
///
/// # Safety
///
/// The descriptors belong to the caller.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    if flags & libc::CLOSE_RANGE_CLOEXEC as c_int == 0 {
        closing(first.try_into().unwrap_or(c_int::MAX), last.try_into().unwrap_or(c_int::MAX));
    }
    let args = [first as usize, last as usize, arg(flags), 0, 0, 0];
    // SAFETY: invariant 17: the descriptors are the caller's to close.
    finish(unsafe { kernel::call(Sysno::close_range, args) }) as c_int
}
