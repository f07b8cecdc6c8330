//! [`SyncWebSocket`].

use std::fmt;

use axum::{
    extract::ws::{CloseCode, Message, Utf8Bytes},
    http::HeaderValue,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    SendError, WebSocketEnd, WebSocketSender,
    shared::Received,
    wait::{GivenUp, wait},
};

/// How many messages may be unanswered. Then no more are read, and the client has to wait.
pub(super) const INBOUND: usize = 16;

/// A websocket for plain functions, by [`on_upgrade_fiber`](super::WebSocketUpgradeExt::on_upgrade_fiber).
///
/// Messages are read one at a time: the next one when the function waits for it and all that was sent has gone out. A
/// client that sends a last message and closes at once thus gets the answer to it before the close is answered. If that
/// takes longer than five seconds, reading goes on: pings are answered, a close or the loss of the client is noticed,
/// and messages come in until the function has 16 to answer. Then nothing more is read, so that a client that sends
/// faster than the function receives has to wait.
///
/// What is sent goes out at any time, and while the function has received nothing that it may want to answer, pings are
/// answered at any time.
///
/// As an iterator it gives what [`recv`](Self::recv) does. To send inside such a loop, take a [`sender`](Self::sender)
/// before.
///
/// # Cancel safety
///
/// In a cancelled fiber [`recv`](Self::recv) gives `None` and [`send`](Self::send) fails, under every
/// [`OnDrop`](crate::OnDrop): nothing unwinds here.
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
    /// Dropped when the message that came last counts as answered.
    unanswered: Option<oneshot::Sender<()>>,
    sender: WebSocketSender,
    protocol: Option<HeaderValue>,
}

impl SyncWebSocket {
    /// And where the pump puts the messages.
    pub(super) fn new(sender: WebSocketSender, protocol: Option<HeaderValue>) -> (Self, mpsc::Sender<Received>) {
        let (queue, incoming) = mpsc::channel(INBOUND);
        (Self { incoming, unanswered: None, sender, protocol }, queue)
    }

    /// Waits for the next message; `None` when the websocket has ended ([`end`](Self::end) says how).
    ///
    /// Gives [`Message::Text`] and [`Message::Binary`]. Pings are answered, pongs are dropped, a close is the end.
    ///
    /// # Cancel safety
    ///
    /// In a cancelled fiber it gives `None`. While the thread is panicking it gives `None` if no message is there.
    ///
    /// # Panics
    ///
    /// Where nothing can wait: outside a fiber and [`block_on_waits`](crate::block_on_waits), and in the other places
    /// that [`await_in_fiber`](crate::await_in_fiber) names.
    #[track_caller]
    pub fn recv(&mut self) -> Option<Message> {
        self.unanswered = None;
        match wait(self.incoming.recv()) {
            Ok(received) => {
                let (message, unanswered) = received?;
                self.unanswered = Some(unanswered);
                Some(message)
            }
            Err(GivenUp::Cancelled) => {
                self.sender.shared.set_end(WebSocketEnd::Cancelled);
                None
            }
            Err(GivenUp::Unwinding) => None,
        }
    }

    /// Queues a message for the client, as [`WebSocketSender::send`].
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// Closes the websocket without waiting, as [`WebSocketSender::close`]. [`recv`](Self::recv) then gives what the
    /// client still sends before it answers the close, and `None`.
    ///
    /// If neither side has closed the websocket, it is closed with the code 1000 when the function returns, with 1001
    /// if that was cancelled, and with 1011 if it panics.
    ///
    /// # Panics
    ///
    /// If the protocol does not allow to send the code.
    #[track_caller]
    pub fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) {
        self.sender.close(code, reason);
    }

    /// Another way to send to this client, which can be cloned and given to other fibers, tasks and threads.
    #[must_use]
    pub fn sender(&self) -> WebSocketSender {
        self.sender.clone()
    }

    /// How the websocket has ended; `None` while it has not. Messages that came before may still be there to be
    /// received.
    ///
    /// A broken protocol that the function does not ask for here is reported by a warning through `tracing` (feature
    /// `tracing`) when the function has returned.
    #[must_use]
    pub fn end(&self) -> Option<&WebSocketEnd> {
        let end = self.known_end();
        if end.is_some() {
            self.sender.shared.see_end();
        }
        end
    }

    /// Without being seen to ask.
    pub(super) fn known_end(&self) -> Option<&WebSocketEnd> {
        self.sender.shared.end()
    }

    /// The subprotocol that was chosen by [`protocols`](axum::extract::WebSocketUpgrade::protocols).
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
