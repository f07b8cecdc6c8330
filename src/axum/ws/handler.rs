//! [`WebSocketHandler`].

use axum::extract::ws::Message;

use super::{SyncWebSocket, WebSocketEnd};

/// Handles the events of a websocket, for [`SyncWebSocket::serve`].
///
/// All methods run in the websocket's fiber, one after the other, and may wait.
pub trait WebSocketHandler {
    /// The websocket is open.
    fn on_open(&mut self, socket: &mut SyncWebSocket) {
        let _ = socket;
    }

    /// A text or binary message has arrived.
    fn on_message(&mut self, socket: &mut SyncWebSocket, message: Message);

    /// The websocket has ended. Called exactly once, unless a method has panicked.
    fn on_close(&mut self, end: &WebSocketEnd) {
        let _ = end;
    }
}

impl<H: WebSocketHandler + ?Sized> WebSocketHandler for &mut H {
    fn on_open(&mut self, socket: &mut SyncWebSocket) {
        (**self).on_open(socket);
    }

    fn on_message(&mut self, socket: &mut SyncWebSocket, message: Message) {
        (**self).on_message(socket, message);
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        (**self).on_close(end);
    }
}

impl SyncWebSocket {
    /// Calls `handler` for each event until the websocket has ended.
    ///
    /// If the client broke the protocol, a warning is logged as well (feature `tracing`).
    ///
    /// # Cancel safety
    ///
    /// In a cancelled fiber the handler gets [`WebSocketEnd::Cancelled`].
    ///
    /// # Panics
    ///
    /// As for [`recv`](Self::recv), and if the handler panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, extract::{WebSocketUpgrade, ws::Message}, response::Response, routing::any};
    /// use tower_fiber::axum::{SyncWebSocket, WebSocketEnd, WebSocketHandler, WebSocketUpgradeExt as _};
    ///
    /// #[derive(Default)]
    /// struct Counter {
    ///     messages: u32,
    /// }
    ///
    /// impl WebSocketHandler for Counter {
    ///     fn on_message(&mut self, socket: &mut SyncWebSocket, _: Message) {
    ///         self.messages += 1;
    ///         _ = socket.send(format!("message {}", self.messages));
    ///     }
    ///
    ///     fn on_close(&mut self, end: &WebSocketEnd) {
    ///         println!("{} messages; {end}", self.messages);
    ///     }
    /// }
    ///
    /// async fn upgrade(ws: WebSocketUpgrade) -> Response {
    ///     ws.on_upgrade_fiber(|socket| socket.serve(Counter::default()))
    /// }
    ///
    /// let app: Router = Router::new().route("/count", any(upgrade));
    /// ```
    #[track_caller]
    pub fn serve(mut self, mut handler: impl WebSocketHandler) {
        handler.on_open(&mut self);
        while let Some(message) = self.recv() {
            handler.on_message(&mut self, message);
        }
        // There is no end only if a destructor called this while its thread was panicking.
        if let Some(end) = self.known_end() {
            handler.on_close(end);
        }
    }
}
