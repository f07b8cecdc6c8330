//! Websockets are closed with 1001, awaited, and cut if they do not end.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
use tokio::{net::TcpStream, sync::Notify};
use tokio_tungstenite::client_async;
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _,
    axum::{SyncWebSocket, WebSocketUpgradeExt as _, fiber_with},
    try_await_in_fiber,
};

use super::harness::{LONG, SHORT, Server, assert_nothing_cut, cut};
use crate::{
    harness::on_each_runtime,
    ws::harness::{Client, close},
};

fn app(layer: &FiberLayer, f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static) -> Router {
    let inside = layer.clone();
    let upgrade = move |ws: WebSocketUpgrade| -> Response { ws.on_upgrade_fiber_with(&inside, f.clone()) };
    Router::new().route("/", any(fiber_with(layer, upgrade)))
}

async fn connect(server: &Server) -> Client {
    let stream = TcpStream::connect(server.address).await.unwrap();
    Client(client_async("ws://localhost/", stream).await.unwrap().0)
}

#[test]
fn they_are_closed_and_awaited() {
    on_each_runtime(|| async {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let said = Arc::clone(&ends);
        let layer = FiberLayer::new();
        let echo = move |mut socket: SyncWebSocket| {
            while let Some(message) = socket.recv() {
                socket.send(message).unwrap();
            }
            said.lock().unwrap().push(socket.end().unwrap().to_string());
        };
        let server = Server::with(app(&layer, echo), |server| server.grace(LONG).layer(&layer)).await;
        let (mut one, mut other) = (connect(&server).await, connect(&server).await);
        one.send("hello").await;
        assert_eq!(one.text().await, "hello");
        let ended = tokio::spawn(server.ended());
        assert_eq!(one.closed().await, close(1001, "the server stops"));
        assert_eq!(other.closed().await, close(1001, "the server stops"));
        assert_nothing_cut(ended.await.unwrap());
        let text = "the websocket was closed here: 1001 the server stops";
        assert_eq!(*ends.lock().unwrap(), [text; 2]);
        assert_eq!(layer.handle().counters().live, 0);
    });
}

#[test]
fn a_message_that_has_arrived_is_answered_first() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enters, released) = (Arc::clone(&entered), Arc::clone(&release));
        let answer = move |mut socket: SyncWebSocket| {
            while let Some(message) = socket.recv() {
                enters.notify_one();
                released.notified().wait();
                socket.send(message).unwrap();
            }
        };
        let server = Server::with(app(&layer, answer), |server| server.grace(LONG).layer(&layer)).await;
        let (mut one, mut idle) = (connect(&server).await, connect(&server).await);
        one.send("hello").await;
        entered.notified().await;
        let ended = tokio::spawn(server.ended());
        // The server has told its websockets.
        assert_eq!(idle.closed().await, close(1001, "the server stops"));
        release.notify_one();
        assert_eq!(one.text().await, "hello");
        assert_eq!(one.closed().await, close(1001, "the server stops"));
        assert_nothing_cut(ended.await.unwrap());
    });
}

#[test]
fn a_function_that_does_not_return_is_cut() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().on_drop(OnDrop::Cancel).build().unwrap();
        let entered = Arc::new(Notify::new());
        let enters = Arc::clone(&entered);
        let stuck = move |_: SyncWebSocket| {
            enters.notify_one();
            _ = try_await_in_fiber(pending::<()>());
        };
        let server = Server::with(app(&layer, stuck), |server| server.grace(SHORT).layer(&layer)).await;
        let mut client = connect(&server).await;
        entered.notified().await;
        let ended = tokio::spawn(server.ended());
        assert_eq!(client.closed().await, close(1001, "the server stops"));
        let report = ended.await.unwrap();
        assert_eq!(cut(&report), (0, 0, 1));
        assert_eq!(report.left, 0);
        assert_eq!(layer.handle().counters().live, 0);
    });
}

#[test]
fn a_client_that_does_not_answer_is_cut() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let listen = |mut socket: SyncWebSocket| while socket.recv().is_some() {};
        let server = Server::with(app(&layer, listen), |server| server.grace(SHORT).layer(&layer)).await;
        let _deaf = connect(&server).await;
        assert_eq!(cut(&server.ended().await), (0, 0, 1));
        assert_eq!(layer.handle().counters().live, 0);
    });
}
