//! What follows an upgrade into its fiber.

use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
use tokio::net::TcpListener;
use tower_fiber::{
    FiberLayer,
    axum::{WebSocketUpgradeExt as _, fiber_with},
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
            USER.sync_scope("Ada", || {
                ws.on_upgrade_fiber_with(&inside, |mut socket| {
                    while socket.recv().is_some() {
                        socket.send(USER.get()).unwrap();
                    }
                })
            })
        };
        let app: Router = Router::new().route("/", any(fiber_with(&layer, upgrade)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut client = Client(tokio_tungstenite::client_async("ws://localhost/", stream).await.unwrap().0);
        for _ in 0..2 {
            client.send("who am I?").await;
            assert_eq!(client.text().await, "Ada");
        }
        drop(client);
        layer.handle().drained().await;
    });
}
