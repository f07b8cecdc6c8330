//! [`Incoming`]: connections as a stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::net::TcpStream;

use super::Listener;

/// The connections of a [`Listener`], by [`Listener::into_incoming`].
///
/// The stream has no end and no errors: clients that go at once are passed over, and when the process has too many open
/// files it tries again after a second.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming {
    listener: Listener,
}

impl Incoming {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener }
    }
}

impl Stream for Incoming {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_connection(cx).map(|(stream, _)| Some(Ok(stream)))
    }
}
