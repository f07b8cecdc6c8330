//! [`Read`] and [`BufRead`] for [`FiberIo`].

use std::{
    io::{self, BufRead, Read},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::{FiberIo, wait::wait};

impl<T: AsyncRead + Unpin + ?Sized> Read for FiberIo<T> {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // With an empty buffer, a socket would still wait for bytes.
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut buffer = ReadBuf::new(buffer);
        wait(self.read_limit(), |cx| Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl<T: AsyncBufRead + Unpin + ?Sized> BufRead for FiberIo<T> {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let limit = self.read_limit();
        if wait(limit, |cx| Pin::new(&mut self.inner).poll_fill_buf(cx).map_ok(<[u8]>::is_empty))? {
            return Ok(&[]);
        }
        // A wait cannot return a borrow from its closure, so the stream is polled again for the bytes in its buffer.
        match Pin::new(&mut self.inner).poll_fill_buf(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(bytes) => bytes,
            Poll::Pending => {
                Err(io::Error::other("the stream had bytes in its buffer, and had none when it was asked again"))
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        Pin::new(&mut self.inner).consume(amount);
    }
}
