//! System calls without libc, whose functions would lead back here.

use std::{
    mem::MaybeUninit,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    ptr,
};

use libc::{c_int, pollfd};
use syscalls::{Sysno, raw};
use tokio::io::unix::AsyncFd;

use super::Returned;

/// The result of a call that would have to wait.
pub(super) const AGAIN: Returned = -(libc::EAGAIN as Returned);

/// # Safety
///
/// The arguments are as the system call asks for, and so is the memory that they point to, until it returns.
#[inline(always)]
pub(super) unsafe fn call(number: Sysno, args: [usize; 6]) -> Returned {
    let [a, b, c, d, e, f] = args;
    // SAFETY: invariant 17: the caller passes what the system call asks for.
    unsafe { raw::syscall6(number, a, b, c, d, e, f) as Returned }
}

/// A number as an argument for the kernel.
#[inline]
pub(super) fn arg(number: c_int) -> usize {
    number as isize as usize
}

/// Returns as libc's functions do: a result, or -1 with `errno`.
#[inline(always)]
pub(super) fn finish(returned: Returned) -> isize {
    if returned >= 0 { returned } else { fail(returned) }
}

#[cold]
fn fail(returned: Returned) -> isize {
    set_errno(-returned as c_int);
    -1
}

pub(super) fn set_errno(errno: c_int) {
    // SAFETY: invariant 17: libc returns the address of this thread's `errno`.
    let address = unsafe { libc::__errno_location() };
    // SAFETY: invariant 17: this thread's `errno` lives as long as the thread, which is the only one that uses it.
    unsafe { address.write(errno) };
}

pub(super) fn errno() -> c_int {
    // SAFETY: invariant 17: libc returns the address of this thread's `errno`.
    let address = unsafe { libc::__errno_location() };
    // SAFETY: invariant 17: this thread's `errno` lives as long as the thread, which is the only one that uses it.
    unsafe { address.read() }
}

/// The signals that this thread blocks, as one word.
pub(super) fn signal_mask() -> usize {
    let mut mask = 0_u64;
    // SAFETY: invariant 17: without a new mask the call only writes the eight bytes of the present one.
    unsafe { call(Sysno::rt_sigprocmask, [0, 0, (&raw mut mask).expose_provenance(), size_of::<u64>(), 0, 0]) };
    mask as usize
}

pub(super) fn process_id() -> usize {
    // SAFETY: invariant 17: the call takes nothing and touches no memory.
    unsafe { call(Sysno::getpid, [0; 6]) as usize }
}

/// Whether calls on this descriptor block: that is how the file was opened or set.
pub(super) fn is_blocking(fd: RawFd) -> bool {
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    let flags = unsafe { call(Sysno::fcntl, [arg(fd), libc::F_GETFL as usize, 0, 0, 0, 0]) };
    flags >= 0 && flags & libc::O_NONBLOCK as isize == 0
}

/// Sets whether calls on this descriptor block.
pub(super) fn set_blocking(fd: RawFd, blocks: bool) {
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    let flags = unsafe { call(Sysno::fcntl, [arg(fd), libc::F_GETFL as usize, 0, 0, 0, 0]) };
    if flags >= 0 {
        let nonblocking = libc::O_NONBLOCK as isize;
        let flags = if blocks { flags & !nonblocking } else { flags | nonblocking };
        // SAFETY: invariant 17: the call takes numbers only and touches no memory.
        unsafe { call(Sysno::fcntl, [arg(fd), libc::F_SETFL as usize, flags as usize, 0, 0, 0]) };
    }
}

/// The value of an option of a socket, or `None` if the descriptor is no socket.
pub(super) fn socket_option<T: Default>(fd: RawFd, option: c_int) -> Option<T> {
    let mut value = T::default();
    let mut size = size_of::<T>() as libc::socklen_t;
    let (address, len) = ((&raw mut value).expose_provenance(), (&raw mut size).expose_provenance());
    // SAFETY: invariant 17: the call writes at most as many bytes as the value has.
    let returned = unsafe { call(Sysno::getsockopt, [arg(fd), arg(libc::SOL_SOCKET), arg(option), address, len, 0]) };
    (returned == 0).then_some(value)
}

/// The present result of `poll` for these descriptors.
pub(super) fn poll_now(fds: &mut [pollfd]) -> Returned {
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let args = [fds.as_mut_ptr().expose_provenance(), fds.len(), ptr::from_ref(&zero).expose_provenance(), 0, 0, 0];
    // SAFETY: invariant 17: the call writes the events of as many descriptors as the slice has, and reads the time.
    unsafe { call(Sysno::ppoll, args) }
}

/// Whether a call on this descriptor would find one of these events, or an error.
pub(super) fn is_ready(fd: RawFd, events: i16) -> bool {
    poll_now(&mut [pollfd { fd, events, revents: 0 }]) != 0
}

/// A process as a descriptor that is readable when the process has ended.
pub(super) fn process_descriptor(pid: c_int) -> Option<OwnedFd> {
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    own(unsafe { call(Sysno::pidfd_open, [arg(pid), 0, 0, 0, 0, 0]) })
}

/// Duplicates a descriptor to a number that no other code has.
pub(crate) fn duplicate(fd: RawFd) -> Option<OwnedFd> {
    // Above the numbers that programs expect for themselves.
    const LOWEST: usize = 3;
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    own(unsafe { call(Sysno::fcntl, [arg(fd), libc::F_DUPFD_CLOEXEC as usize, LOWEST, 0, 0, 0]) })
}

/// Lets the runtime of this thread watch a descriptor; `None` if it cannot. It panics if the runtime has no sockets.
pub(crate) fn watched(fd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: invariant 17: what owns the descriptor keeps it open, and keeps its number, until it is dropped.
    unsafe { AsyncFd::register(fd) }.ok()
}

/// An epoll instance that is readable when one of these descriptors is ready, if all can be watched.
pub(crate) fn epoll_of(fds: &[(RawFd, i16)]) -> Option<OwnedFd> {
    // SAFETY: invariant 17: the call takes numbers only and touches no memory.
    let epoll = own(unsafe { call(Sysno::epoll_create1, [libc::EPOLL_CLOEXEC as usize, 0, 0, 0, 0, 0]) })?;
    for &(fd, events) in fds {
        // The bits of the two are the same on Linux.
        let event = libc::epoll_event { events: u32::from(events as u16), u64: 0 };
        let args = [
            arg(epoll.as_raw_fd()),
            libc::EPOLL_CTL_ADD as usize,
            arg(fd),
            ptr::from_ref(&event).expose_provenance(),
            0,
            0,
        ];
        // SAFETY: invariant 17: the call only reads the event.
        let added = unsafe { call(Sysno::epoll_ctl, args) };
        if added < 0 {
            return None;
        }
    }
    Some(epoll)
}

/// Which file a descriptor is of, if it is open.
pub(crate) fn identity(fd: RawFd) -> Option<(u64, u64)> {
    status(fd).map(|stat| (stat.st_dev, stat.st_ino))
}

/// The kernel's description of an open file.
pub(super) fn status(fd: RawFd) -> Option<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: invariant 17: the call writes no more than one `stat`.
    let returned = unsafe { call(Sysno::fstat, [arg(fd), stat.as_mut_ptr().expose_provenance(), 0, 0, 0, 0]) };
    // SAFETY: invariant 17: all zeros are a `stat`, and so is what the call has written.
    let stat = unsafe { stat.assume_init() };
    (returned == 0).then_some(stat)
}

fn own(returned: Returned) -> Option<OwnedFd> {
    let fd = RawFd::try_from(returned).ok().filter(|&fd| fd >= 0)?;
    // SAFETY: invariant 17: the call that succeeded has made this descriptor, so nobody else has it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}
