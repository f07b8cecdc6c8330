//! [`SyncWebSocket`].

use std::{fmt, time::Duration};

use axum::{
    extract::ws::{CloseCode, Message, Utf8Bytes},
    http::HeaderValue,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    SendError, WebSocketEnd, WebSocketSender,
    state::Received,
    wait::{GivenUp, wait},
};
use crate::error::Elapsed;

/// How many messages may be unanswered before the pump stops reading and the client has to wait.
pub(super) const INBOUND: usize = 16;

/// A websocket for synchronous functions, made by [`on_upgrade_fiber`](super::WebSocketUpgradeExt::on_upgrade_fiber).
///
/// Messages are read one at a time: the next one is read when the function waits for it and all sent messages have gone
/// out. A client that sends a last message and closes at once therefore gets the answer to it before the close is
/// answered. If the function takes longer than five seconds, reading goes on: pings are answered, a close or the loss
/// of the client is noticed, and messages come in until 16 are unanswered. Then reading stops, so that a client that
/// sends faster than the function receives has to wait.
///
/// Sent messages go out at any time. Pings are answered at any time while the function has no unanswered message.
///
/// As an iterator it yields what [`recv`](Self::recv) returns. To send inside such a loop, take a
/// [`sender`](Self::sender) first.
///
/// # Cancel safety
///
/// In a cancelled fiber [`recv`](Self::recv) returns `None` and [`send`](Self::send) fails under every
/// [`OnDrop`](crate::OnDrop); neither unwinds.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
/// use tower_fiber::axum::{SyncWebSocket, WebSocketUpgradeExt as _};
///
/// fn echo(mut socket: SyncWebSocket) {
///     while let Some(message) = socket.recv() {
///         if socket.send(message).is_err() {
///             return;
///         }
///     }
/// }
///
/// async fn upgrade(ws: WebSocketUpgrade) -> Response {
///     ws.on_upgrade_fiber(echo)
/// }
///
/// let app: Router = Router::new().route("/echo", any(upgrade));
/// ```
pub struct SyncWebSocket {
    incoming: mpsc::Receiver<Received>,
    /// Dropped when the latest message counts as answered.
    unanswered: Option<oneshot::Sender<()>>,
    sender: WebSocketSender,
    protocol: Option<HeaderValue>,
}

impl SyncWebSocket {
    /// Returns the socket, and the queue into which the pump puts the messages.
    pub(super) fn new(sender: WebSocketSender, protocol: Option<HeaderValue>) -> (Self, mpsc::Sender<Received>) {
        let (queue, incoming) = mpsc::channel(INBOUND);
        (Self { incoming, unanswered: None, sender, protocol }, queue)
    }

    /// Waits for the next message. Returns `None` when the websocket has ended; [`end`](Self::end) says how.
    ///
    /// Returns only [`Message::Text`] and [`Message::Binary`]. Pings are answered, pongs are dropped, and a close is
    /// the end.
    ///
    /// # Cancel safety
    ///
    /// In a cancelled fiber it returns `None`. While the thread is panicking it returns `None` if no message has
    /// arrived.
    ///
    /// # Panics
    ///
    /// Where no wait is possible: outside a fiber and [`block_on_waits`](crate::block_on_waits), and in the other
    /// places that [`await_in_fiber`](crate::await_in_fiber) names.
    #[track_caller]
    pub fn recv(&mut self) -> Option<Message> {
        self.receive(None).ok().flatten()
    }

    /// Like [`recv`](Self::recv), but waits no longer than `limit`: for functions that send something now and then, or
    /// that give up on a client that stays silent. `Ok(None)` means that the websocket has ended.
    ///
    /// To find clients that are lost without a word, use [`heartbeat`](super::WebSocketUpgradeExt::heartbeat) instead,
    /// which also takes pongs as a sign of life.
    ///
    /// # Errors
    ///
    /// If `limit` has elapsed without a message. The websocket stays as it is, and the next call waits again.
    ///
    /// # Cancel safety
    ///
    /// Same as [`recv`](Self::recv): in a cancelled fiber it returns `Ok(None)`.
    ///
    /// # Panics
    ///
    /// Same as [`recv`](Self::recv), and on a runtime that has no timers.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_fiber::axum::SyncWebSocket;
    ///
    /// fn chat(mut socket: SyncWebSocket) {
    ///     loop {
    ///         match socket.recv_timeout(Duration::from_secs(60)) {
    ///             Ok(Some(message)) => _ = socket.send(message),
    ///             Ok(None) => return,
    ///             Err(_) => return socket.close(1000, "say something"),
    ///         }
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Option<Message>, Elapsed> {
        self.receive(Some(limit))
    }

    #[track_caller]
    fn receive(&mut self, limit: Option<Duration>) -> Result<Option<Message>, Elapsed> {
        self.unanswered = None;
        let received = match limit {
            None => wait(self.incoming.recv()).map(Ok),
            // The timer starts when the wait is allowed, on the runtime that polls it.
            Some(limit) => wait(async { timeout(limit, self.incoming.recv()).await }),
        };
        match received {
            Ok(Ok(received)) => Ok(received.map(|(message, unanswered)| {
                self.unanswered = Some(unanswered);
                message
            })),
            Ok(Err(_)) => Err(Elapsed::new()),
            Err(GivenUp::Cancelled) => {
                self.sender.shared.set_end(WebSocketEnd::Cancelled);
                Ok(None)
            }
            Err(GivenUp::Unwinding) => Ok(None),
        }
    }

    /// Queues a message for the client, as [`WebSocketSender::send`] does.
    ///
    /// # Errors
    ///
    /// Same as [`WebSocketSender::send`].
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// Closes the websocket without waiting, as [`WebSocketSender::close`] does. [`recv`](Self::recv) then returns the
    /// messages that the client still sends before it answers the close, and then `None`.
    ///
    /// If neither side has closed the websocket, it is closed with the code 1000 when the function returns, with 1001
    /// if the function was cancelled, and with 1011 if it panics.
    ///
    /// # Panics
    ///
    /// If the protocol does not allow the code to be sent.
    #[track_caller]
    pub fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) {
        self.sender.close(code, reason);
    }

    /// Returns a sender to this client, which can be cloned and given to other fibers, tasks and threads.
    #[must_use]
    pub fn sender(&self) -> WebSocketSender {
        self.sender.clone()
    }

    /// Returns how the websocket has ended, or `None` while it has not. Earlier messages may still be waiting to be
    /// received.
    ///
    /// If the client broke the protocol and the function has not called this method, a warning is logged when the
    /// function returns (feature `tracing`).
    #[must_use]
    pub fn end(&self) -> Option<&WebSocketEnd> {
        let end = self.known_end();
        if end.is_some() {
            self.sender.shared.see_end();
        }
        end
    }

    /// Like `end`, but does not count as a look at the end.
    pub(super) fn known_end(&self) -> Option<&WebSocketEnd> {
        self.sender.shared.end()
    }

    /// Returns the subprotocol that [`protocols`](axum::extract::WebSocketUpgrade::protocols) chose.
    #[must_use]
    pub fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }
}

impl Iterator for SyncWebSocket {
    type Item = Message;

    #[track_caller]
    fn next(&mut self) -> Option<Message> {
        self.recv()
    }
}

impl fmt::Debug for SyncWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncWebSocket")
            .field("protocol", &self.protocol)
            .field("end", &self.known_end())
            .finish_non_exhaustive()
    }
}
