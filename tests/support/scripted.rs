//! A file in memory whose every read, write and seek goes as a script says, and the same by `std::io`'s traits.

use std::{
    collections::VecDeque,
    io::{self, BufRead, ErrorKind, IoSlice, Read, Seek, SeekFrom, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use proptest::prelude::*;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Pending,
    /// So many bytes move, by one call or by several.
    Move(usize),
    /// A read finds the end, a write takes nothing.
    Zero,
    Fail(ErrorKind),
}

impl Event {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        use ErrorKind::{ConnectionReset, Interrupted, Other, WouldBlock};
        prop_oneof![
            3 => Just(Self::Pending),
            6 => (1..40_usize).prop_map(Self::Move),
            1 => Just(Self::Zero),
            2 => prop::sample::select(&[ConnectionReset, Interrupted, Other, WouldBlock][..]).prop_map(Self::Fail),
        ]
    }
}

/// After the script all goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scripted {
    pub(crate) bytes: Vec<u8>,
    pub(crate) events: VecDeque<Event>,
    position: usize,
    sought: Option<u64>,
    flushes: usize,
}

impl Scripted {
    pub(crate) fn new(bytes: &[u8], events: &[Event]) -> Self {
        Self { bytes: bytes.to_vec(), events: events.iter().cloned().collect(), ..Self::default() }
    }

    /// How many bytes may move now.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.events.front() {
            None => Poll::Ready(Ok(usize::MAX)),
            Some(Event::Move(bytes)) => Poll::Ready(Ok(*bytes)),
            Some(_) => match self.events.pop_front() {
                Some(Event::Fail(kind)) => Poll::Ready(Err(kind.into())),
                Some(Event::Zero) => Poll::Ready(Ok(0)),
                _ => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
        }
    }

    fn moved(&mut self, bytes: usize) {
        self.position += bytes;
        if let Some(Event::Move(left)) = self.events.front_mut() {
            *left -= bytes;
            if *left == 0 {
                self.events.pop_front();
            }
        }
    }

    fn ahead(&self, room: usize) -> &[u8] {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        &rest[..rest.len().min(room)]
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.position + bytes.len();
        if self.bytes.len() < end && !bytes.is_empty() {
            self.bytes.resize(end, 0);
        }
        if !bytes.is_empty() {
            self.bytes[self.position..end].copy_from_slice(bytes);
        }
        self.moved(bytes.len());
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = ready!(self.poll_room(cx))?;
        let bytes = self.ahead(room.min(buffer.remaining()));
        buffer.put_slice(bytes);
        let read = bytes.len();
        self.moved(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Scripted {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let room = ready!(this.poll_room(cx))?;
        Poll::Ready(Ok(this.ahead(room)))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.moved(amount);
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(cx))?;
        let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(room).collect();
        self.put(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_room(cx))?;
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for Scripted {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let (from, by) = match position {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(by) => (self.position as u64, by),
            SeekFrom::End(by) => (self.bytes.len() as u64, by),
        };
        self.sought = Some(from.checked_add_signed(by).ok_or(ErrorKind::InvalidInput)?);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some(sought) = self.sought {
            let result = ready!(self.poll_room(cx));
            self.sought = None;
            result?;
            self.position = sought as usize;
        }
        Poll::Ready(Ok(self.position as u64))
    }
}

/// The same by the required methods of std's traits, so that the others are std's own. It is never pending and never
/// interrupted.
#[derive(Debug)]
pub(crate) struct Plain(pub(crate) Scripted);

impl Plain {
    fn until_ready<R>(
        &mut self,
        mut poll: impl FnMut(Pin<&mut Scripted>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> io::Result<R> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            match poll(Pin::new(&mut self.0), &mut cx) {
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(result) => return result,
                Poll::Pending => {}
            }
        }
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        self.until_ready(|stream, cx| stream.poll_read(cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl BufRead for Plain {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let room = self.until_ready(|mut stream, cx| stream.poll_room(cx))?;
        Ok(self.0.ahead(room))
    }

    fn consume(&mut self, amount: usize) {
        self.0.moved(amount);
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_ready(|stream, cx| stream.poll_write(cx, bytes))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.until_ready(|stream, cx| stream.poll_write_vectored(cx, buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.until_ready(|stream, cx| stream.poll_flush(cx))
    }
}

impl Seek for Plain {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.until_ready(|mut stream, cx| {
            if stream.sought.is_none() {
                stream.as_mut().start_seek(position)?;
            }
            stream.poll_complete(cx)
        })
    }
}
