//! [`Yielder`]: the producer's side of a stream.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
};

use tokio::sync::mpsc;

use crate::{error::TryAwaitError, wait::try_await_in_fiber};

/// Sends a producer's items to the reader of its stream; see [`fiber_stream`](super::fiber_stream).
pub struct Yielder<T> {
    items: mpsc::Sender<T>,
}

impl<T> Yielder<T> {
    pub(super) fn new(items: mpsc::Sender<T>) -> Self {
        Self { items }
    }

    /// Sends `item` to the reader of the stream. It first waits until the reader has taken the previous item.
    ///
    /// # Errors
    ///
    /// If the stream was dropped, if the fiber was cancelled, or if its thread is panicking and the reader is not
    /// ready. The item is dropped.
    ///
    /// # Cancel safety
    ///
    /// Same as [`try_await_in_fiber`].
    #[track_caller]
    pub fn send(&mut self, item: T) -> Result<(), YieldError> {
        match try_await_in_fiber(self.items.send(item)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(YieldError(Reason::Closed)),
            Err(error) => Err(YieldError(Reason::Refused(error.without_future()))),
        }
    }

    /// Returns whether the stream was dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").field("is_closed", &self.is_closed()).finish()
    }
}

/// An item was not sent.
///
/// It converts to an [`io::Error`]: of kind [`BrokenPipe`](ErrorKind::BrokenPipe) if the stream was dropped, and
/// otherwise of the kind that `io::FiberIo` returns.
#[derive(Debug)]
pub struct YieldError(Reason);

#[derive(Debug)]
enum Reason {
    Closed,
    Refused(TryAwaitError<()>),
}

impl YieldError {
    /// Returns whether the reason is that the stream was dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.0, Reason::Closed)
    }
}

impl fmt::Display for YieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Closed => f.write_str("nobody reads any more: the stream was dropped"),
            Reason::Refused(error) => error.fmt(f),
        }
    }
}

impl Error for YieldError {}

impl From<YieldError> for io::Error {
    fn from(error: YieldError) -> Self {
        let kind = match &error.0 {
            Reason::Closed => ErrorKind::BrokenPipe,
            Reason::Refused(refused) => refused.io_kind(),
        };
        Self::new(kind, error)
    }
}
