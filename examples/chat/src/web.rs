//! The page, and the websockets.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State, WebSocketUpgrade},
    response::{Html, Response},
    routing::{any, get},
};
use serde::Deserialize;
use tower_fiber::{
    FiberLayer,
    axum::{WebSocketUpgradeExt as _, fiber_with, insight_routes},
};

use crate::{member::Member, room::Room};

/// More bytes than the longest text that can be said has. A client that sends more breaks the rules.
const MESSAGE: usize = 16 * 1024;

#[derive(Debug, Deserialize)]
struct Login {
    #[serde(default)]
    name: String,
}

/// The page at `/`, and its websocket at `/chat?name=..`, whose functions run under `layer`. `/fibers` shows where the
/// members wait; on a public server it would be behind a login.
pub fn router(room: Arc<Room>, layer: &FiberLayer) -> Router {
    let members = layer.clone();
    // A plain function as well.
    let chat = move |State(room): State<Arc<Room>>, Query(login): Query<Login>, ws: WebSocketUpgrade| -> Response {
        ws.max_message_size(MESSAGE)
            .on_upgrade_fiber_with(&members, |socket| socket.serve(Member::new(room, login.name)))
    };
    Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/chat", any(fiber_with(layer, chat)))
        .nest("/fibers", insight_routes([layer.handle()]))
        .with_state(room)
}
