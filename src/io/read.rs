//! [`Read`] and [`BufRead`].

use std::{
    io::{self, BufRead, ErrorKind, Read},
    mem,
    ops::ControlFlow::{Break, Continue},
    pin::Pin,
    task::{Poll, ready},
};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::{
    FiberIo,
    steps::{wait_step, wait_steps},
};

impl<T: AsyncRead + Unpin + ?Sized> Read for FiberIo<T> {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A socket would wait until there is something to read.
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut buffer = ReadBuf::new(buffer);
        wait_step(self.read_limit(), |cx| Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }

    #[track_caller]
    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = ReadBuf::new(buffer);
        wait_steps(self.read_limit(), |cx| {
            let left = buffer.remaining();
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
            Poll::Ready(match buffer.remaining() {
                0 => Ok(Break(())),
                same if same == left => {
                    Err(io::Error::new(ErrorKind::UnexpectedEof, "the stream has ended before the buffer was full"))
                }
                _ => Ok(Continue(())),
            })
        })
    }

    #[track_caller]
    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let mut bytes = Gathered::new(bytes);
        wait_steps(self.read_limit(), |cx| {
            if bytes.is_full_as_given() {
                let mut probe = ReadBuf::new(&mut bytes.probe);
                ready!(Pin::new(&mut self.inner).poll_read(cx, &mut probe))?;
                let read = probe.filled().len();
                return Poll::Ready(bytes.take_probe(read).map(|()| more_or_done(read)));
            }
            let mut room = ReadBuf::new(bytes.room()?);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut room))?;
            let read = room.filled().len();
            bytes.filled += read;
            Poll::Ready(Ok(more_or_done(read)))
        })?;
        Ok(bytes.filled - bytes.begun_at)
    }

    #[track_caller]
    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        // An empty one lends its room; another keeps what it has, whatever comes.
        let mut bytes = if text.is_empty() { mem::take(text).into_bytes() } else { Vec::new() };
        let read = self.read_to_end(&mut bytes);
        match String::from_utf8(bytes) {
            Ok(more) if text.is_empty() => *text = more,
            Ok(more) => text.push_str(&more),
            Err(_) => {
                return read.and(Err(io::Error::new(ErrorKind::InvalidData, "what the stream gave is not UTF-8")));
            }
        }
        read
    }
}

fn more_or_done(read: usize) -> std::ops::ControlFlow<()> {
    if read == 0 { Break(()) } else { Continue(()) }
}

/// The least that is asked for.
const LEAST: usize = 32;
/// The most that is made ready beforehand for bytes that may never come.
const MOST: usize = 64 * 1024;

/// A `Vec` that is read into. Behind the bytes that have come it has zeroes, so that each byte of room is set once
/// only; they go when this is dropped.
struct Gathered<'a> {
    bytes: &'a mut Vec<u8>,
    filled: usize,
    begun_at: usize,
    /// The capacity that it was given with.
    given: usize,
    probe: [u8; LEAST],
}

impl<'a> Gathered<'a> {
    fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { filled: bytes.len(), begun_at: bytes.len(), given: bytes.capacity(), bytes, probe: [0; LEAST] }
    }

    /// Whether the caller may have given just the room that is needed, so that it is not made twice as large only to
    /// find the end.
    fn is_full_as_given(&self) -> bool {
        self.filled == self.given && self.bytes.capacity() == self.given
    }

    fn take_probe(&mut self, read: usize) -> io::Result<()> {
        self.bytes.try_reserve(read)?;
        self.bytes.truncate(self.filled);
        self.bytes.extend_from_slice(&self.probe[..read]);
        self.filled += read;
        Ok(())
    }

    /// Room for more. It grows with what has come, by the doubling of `Vec`, and not with what may come.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.filled == self.bytes.len() {
            if self.filled == self.bytes.capacity() {
                self.bytes.try_reserve(LEAST)?;
            }
            let ready = self.bytes.capacity().min(self.filled.saturating_add(MOST));
            self.bytes.resize(ready, 0);
        }
        Ok(&mut self.bytes[self.filled..])
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.filled);
    }
}

impl<T: AsyncBufRead + Unpin + ?Sized> BufRead for FiberIo<T> {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let limit = self.read_limit();
        let mut stream = Some(&mut self.inner);
        wait_step(limit, move |cx| {
            let Some(inner) = stream.take() else { return Poll::Ready(Err(took_back())) };
            match Pin::new(&mut *inner).poll_fill_buf(cx) {
                Poll::Ready(Ok([])) => Poll::Ready(Ok(&[][..])),
                // The borrow checker does not see that the stream is not borrowed where it is put back. What is there
                // is given again.
                Poll::Ready(Ok(_)) => match Pin::new(inner).poll_fill_buf(cx) {
                    Poll::Pending => Poll::Ready(Err(took_back())),
                    ready => ready,
                },
                Poll::Ready(Err(error)) => {
                    stream = Some(inner);
                    Poll::Ready(Err(error))
                }
                Poll::Pending => {
                    stream = Some(inner);
                    Poll::Pending
                }
            }
        })
    }

    fn consume(&mut self, amount: usize) {
        Pin::new(&mut self.inner).consume(amount);
    }
}

fn took_back() -> io::Error {
    io::Error::other("the stream had bytes in its buffer, and had none when it was asked again")
}
