//! The state that the fiber, the senders and the pump of one websocket share, besides their queues.

use std::{
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Context,
};

use atomic_waker::AtomicWaker;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, close_code};
use tokio::sync::oneshot;

use super::WebSocketEnd;
use crate::{axum::serve::OpenWebSocket, util::lock::lock};

/// The content of a close frame; `None` if it has no code.
pub(super) type Close = Option<CloseFrame>;

/// A message for the function, and a sender that the function drops when it asks for the next message.
pub(super) type Received = (Message, oneshot::Sender<()>);

/// What the client had not done when the closing deadline passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    Answer,
    Messages,
}

#[derive(Default)]
pub(super) struct WebSocketState {
    close: OnceLock<Close>,
    end: OnceLock<WebSocketEnd>,
    is_end_seen: AtomicBool,
    pump: AtomicWaker,
    /// The server of the websocket, until it is connected. `None` under another server.
    server: Mutex<Option<OpenWebSocket>>,
}

impl WebSocketState {
    /// Asks for a close; only the first call counts.
    pub(super) fn close(&self, close: Close) {
        if self.close.set(close).is_ok() {
            self.pump.wake();
        }
    }

    /// Asks for the close that says that the server stops.
    pub(super) fn close_for_server(&self) {
        self.close(Some(CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static("the server stops") }));
    }

    pub(super) fn is_closing(&self) -> bool {
        self.close.get().is_some()
    }

    /// Returns the close frame to send last. If there is none yet, the pump is woken when one is set.
    pub(super) fn poll_close(&self, cx: &Context<'_>) -> Option<&Close> {
        self.pump.register(cx.waker());
        self.close.get()
    }

    /// Sets the end; only the first call counts.
    pub(super) fn set_end(&self, end: WebSocketEnd) {
        _ = self.end.set(end);
    }

    pub(super) fn end(&self) -> Option<&WebSocketEnd> {
        self.end.get()
    }

    /// Called before the response goes out, thus before the websocket is connected.
    pub(super) fn set_server(&self, server: OpenWebSocket) {
        *lock(&self.server) = Some(server);
    }

    pub(super) fn take_server(&self) -> Option<OpenWebSocket> {
        lock(&self.server).take()
    }

    /// Notes that the function has looked at the end.
    pub(super) fn see_end(&self) {
        self.is_end_seen.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_end_seen(&self) -> bool {
        self.is_end_seen.load(Ordering::Relaxed)
    }
}
