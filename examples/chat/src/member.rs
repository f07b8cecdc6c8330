//! What is done with the websocket of a member.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use axum::extract::ws::{CloseCode, Message, close_code};
use tower_fiber::axum::{SyncWebSocket, WebSocketEnd, WebSocketHandler};

use crate::{
    event::Event,
    room::{Room, Seat},
};

/// The code of a close because the name cannot be had: the page asks for another one.
pub const NAME_REFUSED: CloseCode = 4001;

/// Somebody who comes into a room, says something, and leaves it.
#[derive(Debug)]
pub struct Member {
    room: Arc<Room>,
    name: String,
    seat: Option<Seat>,
}

impl Member {
    /// Somebody who wants to come in.
    #[must_use]
    pub fn new(room: Arc<Room>, name: String) -> Self {
        Self { room, name, seat: None }
    }
}

impl WebSocketHandler for Member {
    fn on_open(&mut self, socket: &mut SyncWebSocket) {
        match self.room.join(&self.name, socket.sender()) {
            Ok(seat) => self.seat = Some(seat),
            Err(error) => socket.close(NAME_REFUSED, error.to_string()),
        }
    }

    fn on_message(&mut self, socket: &mut SyncWebSocket, message: Message) {
        let (Some(seat), Message::Text(text)) = (&self.seat, message) else {
            socket.close(close_code::UNSUPPORTED, "only text can be said");
            return;
        };
        if let Err(reason) = seat.say(&text) {
            // Waits if this member reads slowly. If it has gone, the next thing that is called is `on_close`.
            _ = socket.send(Event::Refused { reason }.to_message());
        }
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        if !end.is_closed() {
            _ = writeln!(io::stderr(), "{:?}: {end}", self.name);
        }
        self.seat = None;
    }
}
