//! Turns synchronous functions and iterators into streams.

use std::{
    any::{Any, type_name},
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::Yielder;
use crate::{layer::FiberLayer, run::InFiber};

/// Makes a [`Stream`] from a synchronous function that runs in a fiber and passes its items to [`Yielder::send`].
///
/// The function starts when the stream is first polled, and is at most one item ahead of the reader. It returns `()`
/// or, if the items are `Result`s, a `Result` whose error becomes the last item, so that the function can use `?`. That
/// an error has ended the function is also logged on the level `debug` (feature `tracing`).
///
/// A stream that is made in a fiber belongs to the layer of that fiber: it runs with the layer's settings, name and
/// counters and with what the layer carries, as of the making, whichever task polls it. It takes no permit of
/// [`max_fibers`](crate::FiberLayerBuilder::max_fibers), and a layer that was [closed](crate::FiberHandle::close)
/// meanwhile does not refuse it. Outside layers the settings are the defaults, as with [`FiberLayer::new`].
/// [`fiber_stream_with`] takes another layer.
///
/// # Cancel safety
///
/// When the stream is dropped, the next [`send`](Yielder::send) returns an error and
/// [`caller_gone`](crate::caller_gone) is true. A producer that returns on the error thus ends with the stream. It is
/// also cancelled according to its layer's [`OnDrop`](crate::OnDrop). Before the first poll, `f` is dropped unrun.
///
/// # Panics
///
/// If a hook or the `Clone` of a carried value panics. Polling the stream panics if `f` does, with the same payload,
/// after the items that `f` sent before; outside a tokio runtime; and, on a current-thread runtime, on a different
/// thread than the first poll.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
/// use futures_util::StreamExt as _;
/// use tower_fiber::stream::{Yielder, fiber_stream};
///
/// fn parse(text: &str, y: &mut Yielder<Result<u32, ParseIntError>>) -> Result<(), ParseIntError> {
///     for word in text.split(' ') {
///         if y.send(Ok(word.parse()?)).is_err() {
///             break;
///         }
///     }
///     Ok(())
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let stream = fiber_stream(|y| parse("1 2 three 4", y));
/// let items: Vec<_> = stream.collect().await;
/// assert_eq!(items[..2], [Ok(1), Ok(2)]);
/// assert!(items[2].is_err() && items.len() == 3);
/// # }
/// ```
pub fn fiber_stream<T, F, R>(f: F) -> FiberStream<T>
where
    T: Send + 'static,
    F: FnOnce(&mut Yielder<T>) -> R + Send + 'static,
    R: Outcome<T> + 'static,
{
    FiberStream::new(f, None)
}

/// Like [`fiber_stream`], but as a call of `layer`, which takes a permit of its
/// [`max_fibers`](crate::FiberLayerBuilder::max_fibers).
///
/// # Cancel safety
///
/// Same as [`fiber_stream`].
///
/// # Panics
///
/// As for [`fiber_stream`], and if the layer is closed.
pub fn fiber_stream_with<T, F, R>(layer: &FiberLayer, f: F) -> FiberStream<T>
where
    T: Send + 'static,
    F: FnOnce(&mut Yielder<T>) -> R + Send + 'static,
    R: Outcome<T> + 'static,
{
    FiberStream::new(f, Some(layer))
}

/// Makes a [`Stream`] from an iterator whose `next` may wait, through [`fiber_stream`].
///
/// # Cancel safety
///
/// When the stream is dropped, the iterator is dropped once it has returned its next item, or as its layer's
/// [`OnDrop`](crate::OnDrop) says.
///
/// # Panics
///
/// Same as [`fiber_stream`].
///
/// # Examples
///
/// ```
/// use futures_util::StreamExt as _;
/// use tower_fiber::{WaitExt as _, stream};
///
/// # #[tokio::main]
/// # async fn main() {
/// let rows = (1..=3).map(|n| async move { n * n }.wait());
/// assert_eq!(stream::iter(rows).collect::<Vec<_>>().await, [1, 4, 9]);
/// # }
/// ```
pub fn iter<I>(items: I) -> FiberStream<I::Item>
where
    I: IntoIterator<Item: Send + 'static> + Send + 'static,
{
    fiber_stream(|y| give_all(items, y))
}

/// Like [`iter`], but as a call of `layer`; see [`fiber_stream_with`].
///
/// # Cancel safety
///
/// Same as [`iter`].
///
/// # Panics
///
/// Same as [`fiber_stream_with`].
pub fn iter_with<I>(layer: &FiberLayer, items: I) -> FiberStream<I::Item>
where
    I: IntoIterator<Item: Send + 'static> + Send + 'static,
{
    fiber_stream_with(layer, |y| give_all(items, y))
}

fn give_all<I: IntoIterator>(items: I, y: &mut Yielder<I::Item>) {
    for item in items {
        if y.send(item).is_err() {
            break;
        }
    }
}

/// What a producer may return: `()`, or a `Result` whose error becomes the stream's last item.
pub trait Outcome<T>: sealed::Sealed {
    /// Returns the stream's last item, if the outcome has one.
    fn last(self) -> Option<T>;
}

impl<T> Outcome<T> for () {
    fn last(self) -> Option<T> {
        None
    }
}

impl<T, E> Outcome<Result<T, E>> for Result<(), E> {
    fn last(self) -> Option<Result<T, E>> {
        self.err().map(Err)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}

    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
}

/// The stream of [`fiber_stream`].
#[must_use = "streams do nothing unless polled"]
pub struct FiberStream<T> {
    // Dropped first, so that `caller_gone` is already true when the producer finds the stream closed.
    producer: Producer<T>,
    items: mpsc::Receiver<T>,
}

enum Producer<T> {
    Runs(Pin<Box<dyn Future<Output = Option<T>> + Send>>),
    Ended(Option<T>),
    Panicked(Box<dyn Any + Send>),
}

impl<T> FiberStream<T> {
    fn new<F, R>(f: F, layer: Option<&FiberLayer>) -> Self
    where
        T: Send + 'static,
        F: FnOnce(&mut Yielder<T>) -> R + Send + 'static,
        R: Outcome<T>,
    {
        let (sender, items) = mpsc::channel(1);
        let produce = move || {
            let last = f(&mut Yielder::new(sender)).last();
            #[cfg(feature = "tracing")]
            if last.is_some() {
                tracing::debug!(
                    service = type_name::<F>(),
                    item = type_name::<T>(),
                    "the producer of a stream has ended by an error, its last item"
                );
            }
            last
        };
        let fiber = match layer {
            Some(layer) => InFiber::new(produce, layer.settings(), type_name::<F>()),
            None => InFiber::beyond(produce, type_name::<F>()),
        };
        Self { producer: Producer::Runs(Box::pin(fiber)), items }
    }
}

impl<T> Stream for FiberStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if let Producer::Runs(fiber) = &mut this.producer {
            match catch_unwind(AssertUnwindSafe(|| fiber.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(last)) => this.producer = Producer::Ended(last),
                Err(payload) => this.producer = Producer::Panicked(payload),
            }
        }
        if let Some(item) = ready!(this.items.poll_recv(cx)) {
            return Poll::Ready(Some(item));
        }
        match &mut this.producer {
            // The producer runs on a pool worker, has dropped its sender and is about to end.
            Producer::Runs(_) => Poll::Pending,
            Producer::Ended(last) => Poll::Ready(last.take()),
            Producer::Panicked(_) => match std::mem::replace(&mut this.producer, Producer::Ended(None)) {
                Producer::Panicked(payload) => resume_unwind(payload),
                _ => Poll::Ready(None),
            },
        }
    }
}

impl<T> Unpin for FiberStream<T> {}

impl<T> fmt::Debug for FiberStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberStream")
            .field("has_ended", &!matches!(self.producer, Producer::Runs(_)))
            .finish_non_exhaustive()
    }
}
