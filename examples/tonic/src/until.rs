//! Streams that end before their time: at the client's deadline, or when nobody waits any more.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::sleep;
use tonic::{Status, codegen::tokio_stream::Stream, metadata::MetadataMap};
use tower_fiber::until_caller_gone;

/// Gives the items of `answers` until the deadline that `request` asks for, and then `DEADLINE_EXCEEDED`; `answers` is
/// dropped, so that its producer learns that the caller has gone.
///
/// tonic's own deadline ends when a method returns its stream, so long before the stream does.
pub fn until_deadline<S: Stream + Unpin>(request: &MetadataMap, answers: S) -> Until<S> {
    let deadline = request.get("grpc-timeout").and_then(|value| timeout(value.to_str().ok()?));
    Until::new(answers, async move {
        match deadline {
            Some(deadline) => sleep(deadline).await,
            None => std::future::pending().await,
        }
        Status::deadline_exceeded("the deadline has passed before the last answer")
    })
}

/// Gives the items of `messages` until the caller of this fiber has gone, and then `CANCELLED`. Call it inside the
/// fiber that reads.
///
/// A client that resets its stream ends its messages with an error anyway. One whose deadline has passed, but which
/// neither sends nor ends, would keep the fiber waiting for a message.
pub fn until_gone<S: Stream + Unpin>(messages: S) -> Until<S> {
    let gone = until_caller_gone();
    Until::new(messages, async move {
        gone.await;
        Status::cancelled("the caller has gone")
    })
}

/// The stream of [`until_deadline`] and [`until_gone`].
pub struct Until<S> {
    /// `None` when it has ended.
    stream: Option<S>,
    end: Pin<Box<dyn Future<Output = Status> + Send>>,
}

impl<S> Until<S> {
    fn new(stream: S, end: impl Future<Output = Status> + Send + 'static) -> Self {
        Self { stream: Some(stream), end: Box::pin(end) }
    }
}

impl<S: Stream<Item = Result<T, Status>> + Unpin, T> Stream for Until<S> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        // First, since a stream that always has an item would never end otherwise.
        if let Poll::Ready(status) = this.end.as_mut().poll(cx) {
            this.stream = None;
            return Poll::Ready(Some(Err(status)));
        }
        let item = ready!(Pin::new(stream).poll_next(cx));
        if item.is_none() {
            this.stream = None;
        }
        Poll::Ready(item)
    }
}

/// As the gRPC protocol writes it: up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(60 * 60),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    Some(unit * number)
}

impl<S> fmt::Debug for Until<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("has_ended", &self.stream.is_none()).finish_non_exhaustive()
    }
}
