//! What follows an upgrade into its fiber.

use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
use tokio::net::TcpListener;
use tower_fiber::{
    FiberLayer,
    axum::{SyncWebSocket, WebSocketUpgradeExt as _, fiber, fiber_with},
};

use crate::ws::harness::{Client, on_each_runtime};

tokio::task_local! {
    static USER: &'static str;
}

#[test]
fn carried_task_locals_and_plain_handlers() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().carry(&USER).build().unwrap();
        let inside = layer.clone();
        // A plain function as the handler that upgrades.
        let upgrade = move |ws: WebSocketUpgrade| -> Response {
            USER.sync_scope("Ada", || ws.on_upgrade_fiber_with(&inside, answer))
        };
        is_ada(Router::new().route("/", any(fiber_with(&layer, upgrade)))).await;
        layer.handle().drained().await;
    });
}

#[test]
fn without_naming_the_layer() {
    on_each_runtime(|| async {
        // One call holds the only permit, and the conversation none.
        let layer = FiberLayer::builder().carry(&USER).max_fibers(1).build().unwrap();
        let upgrade = |ws: WebSocketUpgrade| USER.sync_scope("Ada", || ws.on_upgrade_fiber(answer));
        let routes = Router::new().route("/", any(fiber(upgrade)));
        is_ada(routes.clone().layer(layer.clone())).await;
        is_ada(Router::new().route("/", any(fiber_with(&layer, upgrade)))).await;
        layer.handle().drained().await;
        assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
    });
}

fn answer(mut socket: SyncWebSocket) {
    while socket.recv().is_some() {
        socket.send(USER.get()).unwrap();
    }
}

async fn is_ada(app: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut client = Client(tokio_tungstenite::client_async("ws://localhost/", stream).await.unwrap().0);
    for _ in 0..2 {
        client.send("who am I?").await;
        assert_eq!(client.text().await, "Ada");
    }
}
