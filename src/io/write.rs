//! [`Write`].

use std::{
    io::{self, ErrorKind, IoSlice, Write},
    ops::ControlFlow::{Break, Continue},
    pin::Pin,
    task::{Poll, ready},
};

use tokio::io::AsyncWrite;

use super::{
    FiberIo,
    steps::{wait_step, wait_steps},
};

impl<T: AsyncWrite + Unpin + ?Sized> Write for FiberIo<T> {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        wait_step(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_write(cx, buffer))
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        wait_step(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_write_vectored(cx, buffers))
    }

    #[track_caller]
    fn write_all(&mut self, mut buffer: &[u8]) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        wait_steps(self.write_limit(), |cx| {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buffer))?;
            if written == 0 {
                let text = "the stream takes no more, and the buffer was not written to its end";
                return Poll::Ready(Err(io::Error::new(ErrorKind::WriteZero, text)));
            }
            buffer = &buffer[written..];
            Poll::Ready(Ok(if buffer.is_empty() { Break(()) } else { Continue(()) }))
        })
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        wait_step(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_flush(cx))
    }
}

impl<T: AsyncWrite + Unpin + ?Sized> FiberIo<T> {
    /// Flushes, and tells the other side that no more comes: tokio's `shutdown`, which TLS and compressing streams want
    /// at their end.
    ///
    /// # Cancel safety
    ///
    /// As for [`FiberIo`]; it may be called again.
    ///
    /// # Errors
    ///
    /// As for [`FiberIo`]; the write time-out applies.
    #[track_caller]
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        wait_step(self.write_limit(), |cx| Pin::new(&mut self.inner).poll_shutdown(cx))
    }
}
