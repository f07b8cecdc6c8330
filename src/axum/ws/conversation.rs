//! A fiber and its pump, in one task.

use std::{
    any::{Any, type_name},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    http::HeaderValue,
};
use tokio::sync::mpsc;

use super::{SyncWebSocket, WebSocketEnd, WebSocketSender, pump::Pump, shared::WebSocketState};
use crate::{error::Cancelled, run::InFiber, settings::Settings};

/// A websocket that is not yet connected. What follows a call into its fiber is taken where this is made: spans,
/// task-locals.
pub(super) struct Prepared {
    fiber: InFiber<()>,
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
        let socket = SyncWebSocket::new(sender, Arc::clone(&shared), protocol);
        let fiber = InFiber::new(move || f(socket), settings, type_name::<G>());
        Self { fiber, outgoing, shared }
    }

    pub(super) fn connect(self, socket: WebSocket) -> Conversation {
        let Self { fiber, outgoing, shared } = self;
        let pump = Pump::new(socket, outgoing, Arc::clone(&shared));
        Conversation { fiber: Some(fiber), payload: None, pump, shared }
    }
}

/// Ready when the function has returned and the connection is closed.
pub(super) struct Conversation {
    fiber: Option<InFiber<()>>,
    /// Of the function's panic.
    payload: Option<Box<dyn Any + Send>>,
    pump: Pump,
    shared: Arc<WebSocketState>,
}

impl Conversation {
    fn poll_fiber(&mut self, cx: &mut Context<'_>) {
        let Some(fiber) = &mut self.fiber else { return };
        let poll = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *fiber).poll(cx)));
        let code = match &poll {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) if self.shared.is_cancelled() => close_code::AWAY,
            Ok(Poll::Ready(())) => close_code::NORMAL,
            Err(payload) if payload.is::<Cancelled>() => close_code::AWAY,
            Err(_) => close_code::ERROR,
        };
        if let Some(end) = self.shared.end() {
            report(fiber.name(), &end, self.shared.is_end_seen());
        }
        self.payload = poll.err();
        self.fiber = None;
        self.shared.leave();
        self.shared.close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    }
}

impl Future for Conversation {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // In the order in which a message comes, is worked on and is answered.
        loop {
            self.pump.receive(cx);
            self.poll_fiber(cx);
            let poll = self.pump.poll_send(cx);
            if !self.pump.may_read_on() {
                ready!(poll);
                break;
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

/// Says what the function may not have noticed.
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
