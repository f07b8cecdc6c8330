//! [`WebSocketSender`].

use std::{fmt, sync::Arc};

use axum::extract::ws::{CloseCode, CloseFrame, Message, Utf8Bytes};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    SendError,
    state::WebSocketState,
    wait::{GivenUp, wait},
};

/// How many messages may be queued to be sent.
const OUTBOUND: usize = 64;

/// The longest reason that fits into a close frame, in bytes.
const REASON: usize = 123;

/// Sends to the client of a [`SyncWebSocket`](super::SyncWebSocket), from other fibers, tasks and threads as well.
///
/// It does not keep the websocket open: when the function that serves it has returned, sending fails.
///
/// # Examples
///
/// A chat room that sends each message to all members. A member that reads too slowly loses messages instead of holding
/// up the others:
///
/// ```
/// use std::sync::Mutex;
/// use tower_fiber::axum::{SyncWebSocket, WebSocketSender};
///
/// #[derive(Default)]
/// struct Room(Mutex<Vec<WebSocketSender>>);
///
/// impl Room {
///     fn talk(&self, mut socket: SyncWebSocket) {
///         self.0.lock().unwrap().push(socket.sender());
///         while let Some(message) = socket.recv() {
///             // The lock is not held over a wait: `try_send` does not wait.
///             self.0.lock().unwrap().retain(|member| match member.try_send(message.clone()) {
///                 Ok(()) => true,
///                 Err(error) => error.is_full(),
///             });
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct WebSocketSender {
    queue: mpsc::Sender<Message>,
    pub(super) shared: Arc<WebSocketState>,
}

impl WebSocketSender {
    /// Returns the sender, and the queue from which the pump takes the messages.
    pub(super) fn new(shared: &Arc<WebSocketState>) -> (Self, mpsc::Receiver<Message>) {
        let (queue, outgoing) = mpsc::channel(OUTBOUND);
        (Self { queue, shared: Arc::clone(shared) }, outgoing)
    }

    /// Queues a message for the client. Waits while 64 messages are queued because the client reads too slowly.
    ///
    /// `Ok` means that the message is queued, not that it is delivered. A [`Message::Close`] closes the websocket, as
    /// [`close`](Self::close) does.
    ///
    /// # Cancel safety
    ///
    /// In a cancelled fiber it fails; the message is not queued but handed back.
    ///
    /// # Errors
    ///
    /// If the websocket was closed or has lost its client, even during the wait; if the fiber was cancelled; and if the
    /// thread is panicking and the queue is full.
    ///
    /// # Panics
    ///
    /// Where no wait is possible: outside a fiber and [`block_on_waits`](crate::block_on_waits), and in the other
    /// places that [`await_in_fiber`](crate::await_in_fiber) names. [`try_send`](Self::try_send) can be used anywhere.
    #[track_caller]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        match wait(self.queue.reserve()) {
            Ok(Ok(permit)) => {
                if let Some(message) = self.admit(message)? {
                    permit.send(message);
                }
                Ok(())
            }
            Ok(Err(_)) => Err(SendError::closed(message)),
            // No wait is possible, but if the queue has room, the message can be sent.
            Err(GivenUp::Unwinding) => self.try_send(message),
            Err(why @ GivenUp::Cancelled) => Err(SendError::given_up(message, why)),
        }
    }

    /// Queues a message if the queue has room. It does not wait, and can be called anywhere.
    ///
    /// # Errors
    ///
    /// If 64 messages are queued ([`is_full`](SendError::is_full)), or the websocket was closed or has lost its client.
    /// The message is handed back.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let Some(message) = self.admit(message.into())? else { return Ok(()) };
        self.queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(message) => SendError::full(message),
            TrySendError::Closed(message) => SendError::closed(message),
        })
    }

    /// Returns the message, or `None` if it is a close, which is not queued.
    fn admit(&self, message: Message) -> Result<Option<Message>, SendError> {
        if self.is_closed() {
            return Err(SendError::closed(message));
        }
        match message {
            Message::Close(frame) => {
                self.shared.close(frame);
                Ok(None)
            }
            message => Ok(Some(message)),
        }
    }

    /// Closes the websocket: the queued messages are sent, then a close frame. It does not wait, and does nothing if
    /// the websocket is closed.
    ///
    /// Sending fails from now on. The function that serves the websocket still receives the messages that the client
    /// sends before it answers the close, then `None`. After ten seconds the connection is cut, and a warning is logged
    /// (feature `tracing`). A reason is cut at 123 bytes, the most that fits into the frame.
    /// `axum::extract::ws::close_code` has names for the usual codes.
    ///
    /// # Panics
    ///
    /// If the protocol does not allow the code to be sent. It allows 1000 to 1003, 1007 to 1013, and 3000 to 4999.
    #[track_caller]
    pub fn close(&self, code: CloseCode, reason: impl Into<Utf8Bytes>) {
        assert!(
            matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999),
            "a websocket cannot be closed with the code {code}: use 1000 to 1003, 1007 to 1013, or one of your own from 3000 to 4999 [TF39]"
        );
        self.shared.close(Some(CloseFrame { code, reason: cut(reason.into()) }));
    }

    /// Returns whether sending fails because either side closed the websocket, its client was lost, or the function
    /// that serves it has returned.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closing() || self.queue.is_closed()
    }
}

impl fmt::Debug for WebSocketSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketSender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

fn cut(reason: Utf8Bytes) -> Utf8Bytes {
    if reason.len() <= REASON {
        return reason;
    }
    let end = (0..=REASON).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    reason[..end].into()
}
