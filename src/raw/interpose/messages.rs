//! `recv`, `send` and their variants.

use std::os::fd::RawFd;

use libc::{c_int, c_uint, c_void, iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};
use syscalls::Sysno;

use super::{
    At, Call, Direction, Returned,
    gate::here,
    kernel::{self, AGAIN, arg, finish},
    streams::Rest,
    transfer::{How, part_or, transfer},
};

pub(super) static RECV: Call = Call::new("recv");
pub(super) static RECVFROM: Call = Call::new("recvfrom");
pub(super) static RECVMSG: Call = Call::new("recvmsg");
pub(super) static RECVMMSG: Call = Call::new("recvmmsg");
pub(super) static SEND: Call = Call::new("send");
pub(super) static SENDTO: Call = Call::new("sendto");
pub(super) static SENDMSG: Call = Call::new("sendmsg");
pub(super) static SENDMMSG: Call = Call::new("sendmmsg");

/// Calls with these flags do not wait; the kernel peeks for all by itself.
fn waits(flags: c_int) -> bool {
    let all_and_peek = libc::MSG_WAITALL | libc::MSG_PEEK;
    flags & (libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) == 0 && flags & all_and_peek != all_and_peek
}

fn flags(flags: c_int, how: How) -> usize {
    arg(if how == How::AtOnce { flags | libc::MSG_DONTWAIT } else { flags })
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    // SAFETY: invariant 17: the arguments are the caller's, for a call that `recv` is a case of.
    finish(unsafe { receive(&RECV, fd, buffer, len, flags, [0, 0], here()) })
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    address: *mut sockaddr,
    size: *mut socklen_t,
) -> ssize_t {
    let from = [address.expose_provenance(), size.expose_provenance()];
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { receive(&RECVFROM, fd, buffer, len, flags, from, here()) })
}

/// # Safety
///
/// As for `recvfrom`.
unsafe fn receive(
    call: &'static Call,
    fd: RawFd,
    buffer: *mut c_void,
    len: usize,
    how_to: c_int,
    from: [usize; 2],
    at: At,
) -> Returned {
    // On sockets with messages, one message is all.
    let wants_all =
        how_to & libc::MSG_WAITALL != 0 && kernel::socket_option::<c_int>(fd, libc::SO_TYPE) == Some(libc::SOCK_STREAM);
    let mut done = 0;
    let returned = transfer(call, fd, Direction::In, waits(how_to), at, |fd, how| {
        let start = buffer.wrapping_byte_add(done).expose_provenance();
        let args = [arg(fd), start, len - done, flags(how_to, how), from[0], from[1]];
        // SAFETY: invariant 17: the arguments are the caller's, or a part of the same buffer.
        let returned = unsafe { kernel::call(Sysno::recvfrom, args) };
        gather(how, wants_all, len, &mut done, returned)
    });
    part_or(done, returned)
}

/// Repeats the call until all data has arrived, if the caller wants all.
fn gather(how: How, wants_all: bool, len: usize, done: &mut usize, returned: Returned) -> Returned {
    match usize::try_from(returned) {
        Ok(more) => {
            *done += more;
            let is_short = how == How::AtOnce && wants_all && more > 0 && *done < len;
            if is_short { AGAIN } else { *done as Returned }
        }
        Err(_) if returned != AGAIN && *done > 0 => *done as Returned,
        Err(_) => returned,
    }
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, how_to: c_int) -> ssize_t {
    // Data belongs with the ancillary data beside it, so the kernel itself waits for all.
    let waits = waits(how_to) && how_to & libc::MSG_WAITALL == 0;
    finish(transfer(&RECVMSG, fd, Direction::In, waits, here(), |fd, how| {
        let args = [arg(fd), message.expose_provenance(), flags(how_to, how), 0, 0, 0];
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        unsafe { kernel::call(Sysno::recvmsg, args) }
    }))
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    how_to: c_int,
    limit: *mut timespec,
) -> c_int {
    // The kernel itself checks the limit, and only after each message.
    let waits = waits(how_to) && limit.is_null();
    let (count, mut done) = (count as usize, 0);
    let returned = transfer(&RECVMMSG, fd, Direction::In, waits, here(), |fd, how| {
        let first = messages.wrapping_add(done).expose_provenance();
        let args = [arg(fd), first, count - done, flags(how_to, how), limit.expose_provenance(), 0];
        // SAFETY: invariant 17: the arguments are the caller's, or the later ones of the same messages.
        let returned = unsafe { kernel::call(Sysno::recvmmsg, args) };
        gather(how, how_to & libc::MSG_WAITFORONE == 0, count, &mut done, returned)
    });
    finish(part_or(done, returned)) as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn send(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    // SAFETY: invariant 17: the arguments are the caller's, for a call that `send` is a case of.
    finish(unsafe { send_all(&SEND, fd, buffer, len, flags, [0, 0], here()) })
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sendto(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    address: *const sockaddr,
    size: socklen_t,
) -> ssize_t {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { send_all(&SENDTO, fd, buffer, len, flags, [address.expose_provenance(), size as usize], here()) })
}

/// # Safety
///
/// As for `sendto`.
unsafe fn send_all(
    call: &'static Call,
    fd: RawFd,
    buffer: *const c_void,
    len: usize,
    how_to: c_int,
    to: [usize; 2],
    at: At,
) -> Returned {
    let mut done = 0;
    let returned = transfer(call, fd, Direction::Out, waits(how_to), at, |fd, how| {
        loop {
            let start = buffer.wrapping_byte_add(done).expose_provenance();
            let args = [arg(fd), start, len - done, flags(how_to, how), to[0], to[1]];
            // SAFETY: invariant 17: the arguments are the caller's, or a part of the same buffer.
            let returned = unsafe { kernel::call(Sysno::sendto, args) };
            let before = done;
            let gathered = gather(how, true, len, &mut done, returned);
            if gathered != AGAIN || done == before {
                return gathered;
            }
        }
    });
    part_or(done, returned)
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, how_to: c_int) -> ssize_t {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { send_message(&SENDMSG, fd, message, how_to, here()) })
}

/// # Safety
///
/// As for `sendmsg`.
unsafe fn send_message(call: &'static Call, fd: RawFd, message: *const msghdr, how_to: c_int, at: At) -> Returned {
    let (parts, count) = if message.is_null() {
        (std::ptr::null::<iovec>(), 0)
    } else {
        // SAFETY: invariant 17: the caller promises for a message, whose fields are only read.
        let message = unsafe { message.read() };
        (message.msg_iov.cast_const(), message.msg_iovlen as c_int)
    };
    let mut rest = Rest::new(parts, count);
    let returned = transfer(call, fd, Direction::Out, waits(how_to), at, |fd, how| {
        loop {
            let before = rest.done();
            let mut shorter;
            let mut left = Vec::new();
            let message = if before == 0 {
                message
            } else {
                // SAFETY: invariant 17: the caller promises for the vectors.
                left = unsafe { rest.left(usize::MAX) };
                // SAFETY: invariant 17: the caller promises for the message; this is a copy.
                shorter = unsafe { message.read() };
                (shorter.msg_iov, shorter.msg_iovlen) = (left.as_mut_ptr(), left.len() as _);
                // The ancillary data has been sent with the first part.
                (shorter.msg_control, shorter.msg_controllen) = (std::ptr::null_mut(), 0);
                &raw const shorter
            };
            let args = [arg(fd), message.expose_provenance(), flags(how_to, how), 0, 0, 0];
            // SAFETY: invariant 17: the message is the caller's, or describes a part of the same data.
            let returned = unsafe { kernel::call(Sysno::sendmsg, args) };
            drop(left);
            // SAFETY: invariant 17: the caller promises for the vectors.
            let noted = unsafe { rest.note(how, returned) };
            if noted != AGAIN || rest.done() == before {
                return noted;
            }
        }
    });
    part_or(rest.done(), returned)
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, how_to: c_int) -> c_int {
    // One after the other, as the kernel does.
    for index in 0..count as usize {
        let next = messages.wrapping_add(index);
        // SAFETY: invariant 17: the caller promises for as many messages as it says.
        let header = unsafe { &raw const (*next).msg_hdr };
        // SAFETY: invariant 17: the message is one of the caller's.
        let sent = unsafe { send_message(&SENDMMSG, fd, header, how_to, here()) };
        if sent < 0 {
            return if index == 0 { finish(sent) as c_int } else { index as c_int };
        }
        // SAFETY: invariant 17: the caller promises for as many messages as it says, into which the lengths go.
        unsafe { (*next).msg_len = sent as c_uint };
    }
    count as c_int
}
