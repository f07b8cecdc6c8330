//! A fiber and its pump, in one task.

use std::{
    any::{Any, type_name},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    http::HeaderValue,
};
use tokio::sync::mpsc;

use super::{
    SyncWebSocket, WebSocketEnd, WebSocketSender,
    pump::Pump,
    shared::{Received, WebSocketState},
};
use crate::{error::Cancelled, run::InFiber, settings::Settings};

/// A websocket that is not yet connected. Its constructor captures the spans and task-locals that follow a call into
/// its fiber.
pub(super) struct Prepared {
    fiber: InFiber<()>,
    incoming: mpsc::Sender<Received>,
    outgoing: mpsc::Receiver<Message>,
    shared: Arc<WebSocketState>,
}

impl Prepared {
    pub(super) fn new<G>(settings: &Settings, protocol: Option<HeaderValue>, f: G) -> Self
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        let shared = Arc::new(WebSocketState::default());
        let (sender, outgoing) = WebSocketSender::new(&shared);
        let (socket, incoming) = SyncWebSocket::new(sender, protocol);
        let fiber = InFiber::new(move || f(socket), settings, type_name::<G>());
        Self { fiber, incoming, outgoing, shared }
    }

    pub(super) fn connect(self, socket: WebSocket) -> Conversation {
        let Self { fiber, incoming, outgoing, shared } = self;
        let pump = Pump::new(socket, incoming, outgoing, Arc::clone(&shared));
        Conversation { fiber: Some(fiber), payload: None, pump: Some(pump), shared }
    }
}

/// A future that is ready when the function has returned and the connection is closed.
pub(super) struct Conversation {
    fiber: Option<InFiber<()>>,
    /// The payload of the function's panic.
    payload: Option<Box<dyn Any + Send>>,
    /// `Some` until the connection has ended, however long the function goes on.
    pump: Option<Pump>,
    shared: Arc<WebSocketState>,
}

impl Conversation {
    fn poll_fiber(&mut self, cx: &mut Context<'_>) {
        let Some(fiber) = &mut self.fiber else { return };
        let poll = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *fiber).poll(cx)));
        let end = self.shared.end();
        let code = match &poll {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) if matches!(end, Some(WebSocketEnd::Cancelled)) => close_code::AWAY,
            Ok(Poll::Ready(())) => close_code::NORMAL,
            Err(payload) if payload.is::<Cancelled>() => close_code::AWAY,
            Err(_) => close_code::ERROR,
        };
        if let Some(end) = end {
            report(fiber.name(), end, self.shared.is_end_seen());
        }
        self.payload = poll.err();
        self.fiber = None;
        if let Some(pump) = &mut self.pump {
            pump.leave();
        }
        self.shared.close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    }
}

impl Future for Conversation {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.poll_fiber(cx);
            let Some(pump) = &mut self.pump else { break };
            if pump.poll_send(cx).is_ready() {
                self.pump = None;
            } else if !pump.receive(cx) {
                return Poll::Pending;
            }
        }
        if self.fiber.is_some() {
            return Poll::Pending;
        }
        match self.payload.take() {
            Some(payload) => resume_unwind(payload),
            None => Poll::Ready(()),
        }
    }
}

/// Reports an end that the function may not have noticed.
fn report(service: &str, end: &WebSocketEnd, is_seen: bool) {
    #[cfg(feature = "tracing")]
    match end {
        WebSocketEnd::Failed(error) if !is_seen => tracing::warn!(service, %error, "{end}"),
        WebSocketEnd::Failed(error) => tracing::debug!(service, %error, "{end}"),
        WebSocketEnd::Vanished(_) => tracing::debug!(service, "{end}"),
        _ => {}
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (service, end, is_seen);
}
