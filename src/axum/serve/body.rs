//! The bodies of requests and responses, as the server watches them.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::state::CountedRequest;
use crate::axum::silence::silence;

/// The body of a response that is sent piece by piece. Its request is counted until then.
pub(super) struct Sent {
    body: Body,
    /// Ends an event stream, whose client connects again to another server.
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _request: CountedRequest,
}

impl Sent {
    pub(super) fn new(body: Body, is_event_stream: bool, request: CountedRequest) -> Self {
        let stopping = request.server().stopping();
        let stop = is_event_stream.then(|| Box::pin(async move { stopping.begun().await }) as _);
        Self { body, stop, _request: request }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            // The producer learns that nobody reads any more.
            this.body = Body::empty();
            this.stop = None;
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The body of a request, of which something must arrive within a limit.
    pub(super) struct Arriving<B> {
        #[pin]
        body: B,
        limit: Duration,
        // Set by the first wait for the client.
        #[pin]
        timer: Option<Sleep>,
        is_waiting: bool,
    }
}

impl<B> Arriving<B> {
    pub(super) fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, timer: None, is_waiting: false }
    }
}

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            *this.is_waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !mem::replace(this.is_waiting, true) {
            match this.timer.as_mut().as_pin_mut() {
                Some(timer) => timer.reset(Instant::now() + *this.limit),
                None => this.timer.set(Some(sleep(*this.limit))),
            }
        }
        if let Some(timer) = this.timer.as_pin_mut() {
            ready!(timer.poll(cx));
        }
        let text = format!("nothing of the request's body has arrived for {:?}", this.limit);
        Poll::Ready(Some(Err(silence(text).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
