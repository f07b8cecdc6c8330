//! [`Write`] for [`FiberIo`].

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
};

use tokio::io::AsyncWrite;

use super::{FiberIo, wait::wait};

impl<T: AsyncWrite + Unpin + ?Sized> Write for FiberIo<T> {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        wait(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_write(cx, buffer))
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        wait(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_write_vectored(cx, buffers))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        wait(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_flush(cx))
    }
}

impl<T: AsyncWrite + Unpin + ?Sized> FiberIo<T> {
    /// Flushes the stream and tells the other side that no more bytes follow. This is tokio's `shutdown`, which TLS and
    /// compressing streams need at their end.
    ///
    /// # Cancel safety
    ///
    /// As for [`FiberIo`]. The call may be repeated.
    ///
    /// # Errors
    ///
    /// As for [`FiberIo`]; the write time-out applies.
    #[track_caller]
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        wait(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_shutdown(cx))
    }
}
