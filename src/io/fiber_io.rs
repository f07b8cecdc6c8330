//! [`FiberIo`]: the adapter and its time-outs.

use std::{io, time::Duration};

use super::limit::TimeLimit;

/// Lets synchronous code use an asynchronous stream through [`Read`](io::Read), [`Write`](io::Write),
/// [`Seek`](io::Seek) and [`BufRead`](io::BufRead).
///
/// Each call waits like [`try_await_in_fiber`](crate::try_await_in_fiber), in a fiber or under
/// [`block_on_waits`](crate::block_on_waits). Vectored writes stay vectored. `AsyncRead` has no vectored reads, so
/// these fill the first buffer. `read_exact`, `read_to_end`, `write_all` and the like are std's own: they wait once for
/// each read or write.
///
/// # Time-outs
///
/// [`set_read_timeout`](Self::set_read_timeout) and [`set_write_timeout`](Self::set_write_timeout) limit each single
/// read and write, as in `std::net::TcpStream`. They do not limit an operation of several: `read_to_end` of a slow but
/// steady stream has no limit. To limit the whole operation, put [`timeout`](fn@crate::timeout) around it. Time-outs
/// need the timers of a tokio runtime (`enable_time`).
///
/// # Cancel safety
///
/// When the fiber is cancelled, the waiting call and all later calls fail (see Errors). A `read`, `write`, `flush` or
/// `fill_buf` that fails has transferred nothing. After an operation of several reads or writes has failed, the rules
/// of std apply: `read_to_end` keeps the bytes that have arrived, `read_exact` has filled an unspecified part of the
/// buffer, and `write_all` has written an unspecified part of it.
///
/// # Errors
///
/// The stream's own errors, and these:
///
/// | kind | reason |
/// |---|---|
/// | [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) | the fiber was cancelled, or its thread is panicking and the stream was not ready at once; the text says which |
/// | [`TimedOut`](io::ErrorKind::TimedOut) | no byte moved within the time-out; nothing is lost, and the call can be repeated. The error contains an [`io::TimedOut`](super::TimedOut) |
/// | [`Unsupported`](io::ErrorKind::Unsupported) | the call was made outside a fiber, inside a future that this fiber waits for, or inside [`on_thread_stack`](crate::on_thread_stack); or a time-out is set and the runtime has no timers; the text says what to do |
///
/// None of them is [`Interrupted`](io::ErrorKind::Interrupted), because `write_all` and similar loops would repeat the
/// call for ever. If the stream reports `Interrupted`, the adapter itself repeats the call. Writers that write in
/// `Drop` (compressors, archives, `BufWriter`) therefore get an error, not an abort, while their fiber unwinds.
///
/// # Panics
///
/// Only if the stream panics.
///
/// # Examples
///
/// ```
/// use std::{io::{ErrorKind, Read as _}, time::Duration};
/// use tower_fiber::{io::FiberIo, run_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (here, _there) = tokio::io::duplex(64);
/// let error = run_in_fiber(|| {
///     let mut stream = FiberIo::new(here);
///     stream.set_read_timeout(Some(Duration::from_millis(1)))?;
///     stream.read(&mut [0; 16])
/// });
/// let error = error.await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
/// assert_eq!(error.to_string(), "nothing was read within the read time-out of 1ms");
/// # }
/// ```
#[derive(Debug)]
pub struct FiberIo<T: ?Sized> {
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    pub(super) inner: T,
}

impl<T> FiberIo<T> {
    /// Wraps `inner`, without time-outs.
    pub fn new(inner: T) -> Self {
        Self { read_timeout: None, write_timeout: None, inner }
    }

    /// Returns the wrapped stream.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Splits the stream into two with the same time-outs.
    pub(super) fn split<R, W>(self, split: impl FnOnce(T) -> (R, W)) -> (FiberIo<R>, FiberIo<W>) {
        let Self { read_timeout, write_timeout, inner } = self;
        let (read, write) = split(inner);
        (FiberIo { read_timeout, write_timeout, inner: read }, FiberIo { read_timeout, write_timeout, inner: write })
    }
}

impl<T: ?Sized> FiberIo<T> {
    /// Borrows the wrapped stream.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Borrows the wrapped stream mutably.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Sets how long a read may wait for a byte. `None`, the default, is no limit.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time-out of zero, as in std.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.read_timeout = checked(timeout, "set_read_timeout")?;
        Ok(())
    }

    /// Sets how long a write or flush may wait for the stream to take a byte. `None`, the default, is no limit.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time-out of zero, as in std.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.write_timeout = checked(timeout, "set_write_timeout")?;
        Ok(())
    }

    /// Returns the time-out of reads.
    ///
    /// # Errors
    ///
    /// Never; the type is that of `std::net::TcpStream`.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.read_timeout)
    }

    /// Returns the time-out of writes and flushes.
    ///
    /// # Errors
    ///
    /// Never; the type is that of `std::net::TcpStream`.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.write_timeout)
    }

    pub(super) fn read_limit(&self) -> TimeLimit {
        TimeLimit::reading(self.read_timeout)
    }

    pub(super) fn write_limit(&self) -> TimeLimit {
        TimeLimit::writing(self.write_timeout)
    }
}

fn checked(timeout: Option<Duration>, setting: &str) -> io::Result<Option<Duration>> {
    if timeout == Some(Duration::ZERO) {
        let text =
            format!("{setting} was given a time-out of zero: give `None` for no limit, or more than zero [TF44]");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(timeout)
}

impl<T: ?Sized> AsRef<T> for FiberIo<T> {
    fn as_ref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> AsMut<T> for FiberIo<T> {
    fn as_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
