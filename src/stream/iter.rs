//! [`FiberIter`]: a stream as an iterator.

use std::{future::poll_fn, pin::Pin};

use futures_core::Stream;

use crate::{
    error::TryAwaitError,
    wait::{await_in_fiber, try_await_in_fiber},
};

/// Makes an iterator from a [`Stream`]: each `next` waits for the next item.
///
/// Box a stream that is not `Unpin` first: `FiberIter::new(Box::pin(stream))`.
///
/// # Cancel safety
///
/// `next` waits as [`await_in_fiber`] does: in a cancelled fiber it goes on, or unwinds under
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind). No item is lost. [`try_next`](Self::try_next) returns an error instead.
///
/// # Panics
///
/// `next` panics outside a fiber, with a message that names the fixes, and if the stream panics.
///
/// # Examples
///
/// ```
/// use futures_util::stream;
/// use tower_fiber::{run_in_fiber, stream::FiberIter};
///
/// fn longest(names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
///     names.max_by_key(|name| name.len())
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let names = stream::iter(["Ada", "Grace", "Alan"]);
/// assert_eq!(run_in_fiber(|| longest(FiberIter::new(names))).await, Some("Grace"));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FiberIter<S> {
    stream: S,
}

impl<S> FiberIter<S> {
    /// Wraps `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Borrows the wrapped stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Borrows the wrapped stream mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the wrapped stream.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Stream + Unpin> FiberIter<S> {
    /// Returns the next item, or an error where no wait is possible or the fiber was cancelled.
    ///
    /// # Errors
    ///
    /// As for [`try_await_in_fiber`]. No item is lost: the next call returns it.
    #[track_caller]
    pub fn try_next(&mut self) -> Result<Option<S::Item>, TryAwaitError<()>> {
        try_await_in_fiber(poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)))
            .map_err(|error| error.without_future())
    }
}

impl<S: Stream + Unpin> Iterator for FiberIter<S> {
    type Item = S::Item;

    #[track_caller]
    fn next(&mut self) -> Option<S::Item> {
        await_in_fiber(poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
