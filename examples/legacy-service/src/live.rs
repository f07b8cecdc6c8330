//! Websockets and events.

use std::{convert::Infallible, iter, sync::Arc, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, close_code},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive},
    },
};
use tower_fiber::{
    axum::{SyncWebSocket, WebSocketUpgradeExt as _, sse},
    try_await_in_fiber,
};

use crate::web::Shop;

/// A client that is silent for so long gets a ping,
const SILENCE: Duration = Duration::from_secs(30);
/// and is cut if it does not answer that.
const PONG: Duration = Duration::from_secs(10);

/// A websocket that answers numbers of items.
pub(crate) fn questions(State(shop): State<Arc<Shop>>, ws: WebSocketUpgrade) -> Response {
    ws.max_message_size(1024).heartbeat(SILENCE, PONG).on_upgrade_fiber(move |socket| answer(&shop, socket))
}

fn answer(shop: &Shop, mut socket: SyncWebSocket) {
    while let Some(message) = socket.recv() {
        let Message::Text(text) = message else {
            socket.close(close_code::UNSUPPORTED, "send the number of an item, as text");
            return;
        };
        let answer = match text.trim().parse() {
            Ok(id) => shop.describe(id).unwrap_or_else(|failure| failure.into_message()),
            Err(_) => format!("{:?} is not the number of an item", text.as_str()),
        };
        if socket.send(answer).is_err() {
            return;
        }
    }
}

/// An event for each upload.
pub(crate) fn changes(State(shop): State<Arc<Shop>>) -> impl IntoResponse {
    let mut changes = shop.changes.subscribe();
    let events = iter::from_fn(move || {
        // The outer error: the client has gone, or the server stops. The layer's policy is to cancel then.
        try_await_in_fiber(changes.changed()).ok()?.ok()?;
        Some(Ok::<_, Infallible>(Event::default().data(changes.borrow_and_update().to_string())))
    });
    sse(events).keep_alive(KeepAlive::default())
}
