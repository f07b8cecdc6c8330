//! Synchronous [`Read`] and [`Write`] over asynchronous streams.
//!
//! # Examples
//!
//! ```
//! use std::io::{BufRead as _, BufReader, Write as _};
//! use tower_fiber::{io::FiberIo, run_in_fiber};
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let (here, there) = tokio::io::duplex(64);
//! let client = run_in_fiber(|| {
//!     let mut stream = FiberIo::new(here);
//!     stream.write_all(b"hello\n")?;
//!     let mut line = String::new();
//!     BufReader::new(stream).read_line(&mut line)?;
//!     Ok::<_, std::io::Error>(line)
//! });
//! let server = run_in_fiber(|| {
//!     let mut stream = FiberIo::new(there);
//!     let mut line = String::new();
//!     BufReader::new(&mut stream).read_line(&mut line)?;
//!     stream.write_all(line.to_uppercase().as_bytes())
//! });
//! let (line, served) = tokio::join!(client, server);
//! served?;
//! assert_eq!(line?, "HELLO\n");
//! # Ok(())
//! # }
//! ```

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice, Read, Write},
    pin::Pin,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::try_await_in_fiber;

/// Makes an asynchronous stream a synchronous one, for code that takes [`Read`] and [`Write`].
///
/// Each call waits like [`try_await_in_fiber`], in a fiber or under [`run_blocking`](crate::run_blocking).
///
/// # Cancel safety
///
/// A call of a cancelled fiber fails (see Errors). What had been transferred by earlier calls stays transferred; a call that fails has
/// transferred nothing.
///
/// # Errors
///
/// Those of the stream, and of the waits:
///
/// | kind | because |
/// |---|---|
/// | [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) | the fiber was cancelled, or its thread is panicking and the stream was not ready at once; the text says which |
/// | [`Unsupported`](io::ErrorKind::Unsupported) | the call was made outside a fiber, inside a future that this fiber waits for, or inside [`on_thread_stack`](crate::on_thread_stack); the text says what to do |
///
/// None of them is [`Interrupted`](io::ErrorKind::Interrupted), which `write_all` and others would try again for ever. So writers that write
/// in `Drop` (compressors, archives, `BufWriter`) get an error there, and no abort, while their fiber unwinds.
///
/// # Panics
///
/// Only if the stream does.
#[derive(Clone, Copy, Debug, Default)]
pub struct FiberIo<T: ?Sized> {
    inner: T,
}

impl<T> FiberIo<T> {
    /// Wraps `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner }
    }

    /// The wrapped stream.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: ?Sized> FiberIo<T> {
    /// The wrapped stream.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The wrapped stream.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: AsyncRead + Unpin + ?Sized> Read for FiberIo<T> {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        wait(poll_fn(|cx| Pin::new(&mut self.inner).poll_read(cx, &mut buffer)))?;
        Ok(buffer.filled().len())
    }
}

impl<T: AsyncWrite + Unpin + ?Sized> Write for FiberIo<T> {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        wait(poll_fn(|cx| Pin::new(&mut self.inner).poll_write(cx, buffer)))
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        wait(poll_fn(|cx| Pin::new(&mut self.inner).poll_write_vectored(cx, buffers)))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        wait(poll_fn(|cx| Pin::new(&mut self.inner).poll_flush(cx)))
    }
}

#[track_caller]
fn wait<R>(future: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    try_await_in_fiber(future).unwrap_or_else(|error| Err(error.into_io()))
}
