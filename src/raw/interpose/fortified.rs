//! The names that glibc's headers give these calls in C code which is compiled with `_FORTIFY_SOURCE`.

use libc::{c_int, c_void, nfds_t, pollfd, sigset_t, size_t, sockaddr, socklen_t, ssize_t, timespec};

use super::{
    libc_next::Next,
    messages::{recv, recvfrom},
    ready::{poll, ppoll},
    streams::read,
};

/// Ends the process as glibc does where a buffer is too small.
fn refuse() -> ! {
    static FAIL: Next = Next::new(c"__chk_fail");
    // SAFETY: invariant 17: glibc's `__chk_fail` has this type.
    let fail: unsafe extern "C" fn() -> ! = unsafe { FAIL.get() };
    // SAFETY: invariant 17: it takes nothing and does not return.
    unsafe { fail() }
}

/// As glibc's.
///
/// # Safety
///
/// As for libc's `read`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn __read_chk(fd: c_int, buffer: *mut c_void, len: size_t, room: size_t) -> ssize_t {
    if len > room {
        refuse();
    }
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    unsafe { read(fd, buffer, len) }
}

/// As glibc's.
///
/// # Safety
///
/// As for libc's `recv`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn __recv_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    if len > room {
        refuse();
    }
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    unsafe { recv(fd, buffer, len, flags) }
}

/// As glibc's.
///
/// # Safety
///
/// As for libc's `recvfrom`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
    address: *mut sockaddr,
    size: *mut socklen_t,
) -> ssize_t {
    if len > room {
        refuse();
    }
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    unsafe { recvfrom(fd, buffer, len, flags, address, size) }
}

/// As glibc's.
///
/// # Safety
///
/// As for libc's `poll`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn __poll_chk(fds: *mut pollfd, count: nfds_t, millis: c_int, room: size_t) -> c_int {
    if room / size_of::<pollfd>() < count as usize {
        refuse();
    }
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    unsafe { poll(fds, count, millis) }
}

/// As glibc's.
///
/// # Safety
///
/// As for libc's `ppoll`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn __ppoll_chk(
    fds: *mut pollfd,
    count: nfds_t,
    time: *const timespec,
    signals: *const sigset_t,
    room: size_t,
) -> c_int {
    if room / size_of::<pollfd>() < count as usize {
        refuse();
    }
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    unsafe { ppoll(fds, count, time, signals) }
}
