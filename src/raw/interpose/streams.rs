//! `read`, `readv`, `write`, `writev`.

use std::os::fd::RawFd;

use libc::{c_int, c_void, iovec, size_t, ssize_t};
use syscalls::Sysno;

use super::{
    Call, Direction, Returned,
    gate::here,
    kernel::{self, AGAIN, arg, finish, is_ready},
    transfer::{How, part_or, transfer},
};

pub(super) static READ: Call = Call::new("read");
pub(super) static READV: Call = Call::new("readv");
pub(super) static WRITE: Call = Call::new("write");
pub(super) static WRITEV: Call = Call::new("writev");

/// A pipe that is ready takes as much as this without waiting.
pub(super) const PIPE_BUF: usize = libc::PIPE_BUF;

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    finish(transfer(&READ, fd, Direction::In, true, here(), |fd, how| match how {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        How::AsIs => unsafe { kernel::call(Sysno::read, [arg(fd), buffer.expose_provenance(), len, 0, 0, 0]) },
        How::AtOnce => {
            let part = iovec { iov_base: buffer, iov_len: len };
            // SAFETY: invariant 17: the vector describes the caller's buffer.
            unsafe { read_at_once(fd, &raw const part, 1) }
        }
    }))
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    finish(transfer(&READV, fd, Direction::In, true, here(), |fd, how| match how {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        How::AsIs => unsafe { kernel::call(Sysno::readv, [arg(fd), parts.expose_provenance(), arg(count), 0, 0, 0]) },
        // SAFETY: invariant 17: the vectors are the caller's, for the same call.
        How::AtOnce => unsafe { read_at_once(fd, parts, count) },
    }))
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t {
    let part = iovec { iov_base: buffer.cast_mut(), iov_len: len };
    let mut rest = Rest::new(&raw const part, 1);
    let returned = transfer(&WRITE, fd, Direction::Out, true, here(), |fd, how| match how {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        How::AsIs if rest.done() == 0 => unsafe {
            kernel::call(Sysno::write, [arg(fd), buffer.expose_provenance(), len, 0, 0, 0])
        },
        // SAFETY: invariant 17: what is left is a part of the caller's buffer.
        How::AsIs => unsafe { rest.write_as_is(fd) },
        // With no vectors nothing is sent; an empty buffer sends an empty message or fails.
        How::AtOnce if len == 0 => write_nothing(fd),
        // SAFETY: invariant 17: the vector describes the caller's buffer, and lives on in this function's frame.
        How::AtOnce => unsafe { rest.write(fd) },
    });
    finish(part_or(rest.done(), returned))
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let mut rest = Rest::new(parts, count);
    let returned = transfer(&WRITEV, fd, Direction::Out, true, here(), |fd, how| match how {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call, or less of the same buffers.
        How::AsIs => unsafe { rest.write_as_is(fd) },
        // SAFETY: invariant 17: the vectors are the caller's, for the same call.
        How::AtOnce => unsafe { rest.write(fd) },
    });
    finish(part_or(rest.done(), returned))
}

fn write_nothing(fd: RawFd) -> Returned {
    // SAFETY: invariant 17: the call takes an empty buffer and reads no memory of it.
    let sent = unsafe { kernel::call(Sysno::sendto, [arg(fd), 0, 0, arg(libc::MSG_DONTWAIT), 0, 0]) };
    if sent != -(libc::ENOTSOCK as Returned) {
        return sent;
    }
    // SAFETY: invariant 17: the call reads no bytes of the caller's.
    unsafe { kernel::call(Sysno::write, [arg(fd), 0, 0, 0, 0, 0]) }
}

/// # Safety
///
/// The vectors are as `readv` asks for.
unsafe fn read_at_once(fd: RawFd, parts: *const iovec, count: c_int) -> Returned {
    let at_position = usize::MAX;
    let args = [arg(fd), parts.expose_provenance(), arg(count), at_position, at_position, libc::RWF_NOWAIT as usize];
    // SAFETY: invariant 17: the caller promises for the vectors.
    let returned = unsafe { kernel::call(Sysno::preadv2, args) };
    match returned {
        // A file that is not in memory: the kernel waits for the disk, as it does for every thread.
        AGAIN if !is_pollable(fd) => {}
        returned if !is_unsupported(returned) => return returned,
        _ if !is_ready(fd, libc::POLLIN) => return AGAIN,
        _ => {}
    }
    // SAFETY: invariant 17: the caller promises for the vectors.
    unsafe { kernel::call(Sysno::readv, [arg(fd), parts.expose_provenance(), arg(count), 0, 0, 0]) }
}

/// The rest of a write, which returns only when all is written.
pub(super) struct Rest {
    parts: *const iovec,
    count: c_int,
    done: usize,
}

impl Rest {
    pub(super) fn new(parts: *const iovec, count: c_int) -> Self {
        Self { parts, count, done: 0 }
    }

    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// The vectors without the part that is done, limited to this many bytes.
    ///
    /// # Safety
    ///
    /// The vectors are as `writev` asks for.
    pub(super) unsafe fn left(&self, most: usize) -> Vec<iovec> {
        let (mut skipped, mut room) = (self.done, most);
        let mut left = Vec::new();
        for index in 0..usize::try_from(self.count).unwrap_or(0) {
            // SAFETY: invariant 17: the caller promises for as many vectors as it says.
            let part = unsafe { self.parts.wrapping_add(index).read() };
            let skip = skipped.min(part.iov_len);
            skipped -= skip;
            let len = (part.iov_len - skip).min(room);
            room -= len;
            if len > 0 {
                left.push(iovec { iov_base: part.iov_base.wrapping_byte_add(skip), iov_len: len });
            }
        }
        left
    }

    /// The bytes that all vectors have.
    ///
    /// # Safety
    ///
    /// As for `left`.
    pub(super) unsafe fn is_all(&self, done: usize) -> bool {
        let mut len = 0_usize;
        for index in 0..usize::try_from(self.count).unwrap_or(0) {
            // SAFETY: invariant 17: the caller promises for as many vectors as it says.
            len = len.saturating_add(unsafe { self.parts.wrapping_add(index).read() }.iov_len);
        }
        done >= len
    }

    /// Notes what a call has written. What remains, and an error after a part, are as for a call that blocks.
    ///
    /// # Safety
    ///
    /// As for `left`.
    pub(super) unsafe fn note(&mut self, how: How, returned: Returned) -> Returned {
        match usize::try_from(returned) {
            Ok(more) => {
                self.done += more;
                // SAFETY: invariant 17: the caller promises for the vectors.
                if how == How::AsIs || more == 0 || unsafe { self.is_all(self.done) } {
                    self.done as Returned
                } else {
                    AGAIN
                }
            }
            Err(_) if returned != AGAIN && self.done > 0 => self.done as Returned,
            Err(_) => returned,
        }
    }

    /// # Safety
    ///
    /// As for `left`.
    unsafe fn write(&mut self, fd: RawFd) -> Returned {
        loop {
            // SAFETY: invariant 17: the caller promises for the vectors.
            let returned = unsafe { self.write_some(fd) };
            let before = self.done;
            // SAFETY: invariant 17: the caller promises for the vectors.
            let noted = unsafe { self.note(How::AtOnce, returned) };
            if noted != AGAIN || self.done == before {
                return noted;
            }
        }
    }

    /// # Safety
    ///
    /// As for `left`.
    unsafe fn write_some(&self, fd: RawFd) -> Returned {
        let as_is;
        let (parts, count) = if self.done == 0 {
            (self.parts, self.count)
        } else {
            // SAFETY: invariant 17: the caller promises for the vectors.
            as_is = unsafe { self.left(usize::MAX) };
            (as_is.as_ptr(), as_is.len() as c_int)
        };
        let at_position = usize::MAX;
        let args =
            [arg(fd), parts.expose_provenance(), arg(count), at_position, at_position, libc::RWF_NOWAIT as usize];
        // SAFETY: invariant 17: the caller promises for the vectors, of which these are a part.
        let returned = unsafe { kernel::call(Sysno::pwritev2, args) };
        let most = match returned {
            AGAIN if !is_pollable(fd) => usize::MAX,
            returned if !is_unsupported(returned) => return returned,
            _ if !is_ready(fd, libc::POLLOUT) => return AGAIN,
            _ => PIPE_BUF,
        };
        // SAFETY: invariant 17: the caller promises for the vectors.
        let some = unsafe { self.left(most) };
        // SAFETY: invariant 17: the caller promises for the vectors, of which these are a part.
        unsafe { kernel::call(Sysno::writev, [arg(fd), some.as_ptr().expose_provenance(), some.len(), 0, 0, 0]) }
    }

    /// Blocks until what is left is written.
    ///
    /// # Safety
    ///
    /// As for `left`.
    unsafe fn write_as_is(&mut self, fd: RawFd) -> Returned {
        if self.done == 0 {
            let args = [arg(fd), self.parts.expose_provenance(), arg(self.count), 0, 0, 0];
            // SAFETY: invariant 17: the caller promises for the vectors.
            return unsafe { kernel::call(Sysno::writev, args) };
        }
        // SAFETY: invariant 17: the caller promises for the vectors.
        let left = unsafe { self.left(usize::MAX) };
        let args = [arg(fd), left.as_ptr().expose_provenance(), left.len(), 0, 0, 0];
        // SAFETY: invariant 17: the caller promises for the vectors, of which these are a part.
        let returned = unsafe { kernel::call(Sysno::writev, args) };
        if returned < 0 { self.done as Returned } else { self.done as Returned + returned }
    }
}

/// The kernel, or this kind of file, knows no calls that return at once.
fn is_unsupported(returned: Returned) -> bool {
    const UNSUPPORTED: [c_int; 3] = [libc::EOPNOTSUPP, libc::ENOSYS, libc::ESPIPE];
    UNSUPPORTED.iter().any(|&errno| returned == -(errno as Returned))
}

/// Whether this kind of file can be waited for.
fn is_pollable(fd: RawFd) -> bool {
    let kind = kernel::status(fd).map_or(0, |stat| stat.st_mode & libc::S_IFMT);
    !matches!(kind, libc::S_IFREG | libc::S_IFBLK | libc::S_IFDIR)
}
