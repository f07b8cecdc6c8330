//! [`FiberIter`]: a stream as an iterator.

use std::{future::poll_fn, pin::Pin};

use futures_core::Stream;

use crate::{
    error::TryAwaitError,
    wait::{await_in_fiber, try_await_in_fiber},
};

/// Makes an iterator of a [`Stream`]: each `next` waits for the next item.
///
/// A stream that is not `Unpin` is boxed first: `FiberIter::new(Box::pin(stream))`.
///
/// # Cancel safety
///
/// `next` waits as [`await_in_fiber`] does: it goes on in a cancelled fiber, or unwinds it under
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind), and no item is lost. [`try_next`](Self::try_next) gives an error instead.
///
/// # Panics
///
/// `next` panics outside a fiber, naming the fixes, and if the stream does.
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

    /// The wrapped stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The wrapped stream.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The wrapped stream.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Stream + Unpin> FiberIter<S> {
    /// The next item, or an error where no wait is possible or the fiber was cancelled.
    ///
    /// # Errors
    ///
    /// As [`try_await_in_fiber`]. No item is lost: the next call gets it.
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
