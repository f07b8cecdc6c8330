//! A server, and members that talk to it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    future::{Future, IntoFuture as _},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use chat::{room::Room, web};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::Notify,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tower_fiber::{FiberLayer, axum::serve};

/// Runs a test on one thread, as the example does. A test that hangs fails.
pub(crate) fn on_one_thread(test: impl Future<Output = ()>) {
    run(&mut Builder::new_current_thread(), test);
}

/// Runs a test on one thread, and on more.
pub(crate) fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    run(&mut Builder::new_current_thread(), test());
    run(&mut Builder::new_multi_thread(), test());
}

fn run(runtime: &mut Builder, test: impl Future<Output = ()>) {
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(120), test).await.expect("the test hangs") });
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) room: Arc<Room>,
    pub(crate) layer: FiberLayer,
    /// Ends the server.
    pub(crate) stop: Arc<Notify>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (room, layer) = (Arc::new(Room::default()), FiberLayer::new());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = web::router(Arc::clone(&room), &layer);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let stopped = async move { stopped.notified().await };
        let server = serve(listener, app).layer(&layer).with_graceful_shutdown(stopped);
        tokio::spawn(server.into_future());
        Self { address, room, layer, stop }
    }

    /// Connects somebody who may or may not be let in.
    pub(crate) async fn connect(&self, name: &str) -> Client {
        Client::connect(self.address, name).await
    }

    /// Connects somebody who is let in; gives the welcome as well.
    pub(crate) async fn join(&self, name: &str) -> (Client, Value) {
        let mut client = self.connect(name).await;
        let welcome = client.hear().await;
        assert_eq!(welcome["event"], "welcome", "{welcome}");
        (client, welcome)
    }
}

pub(crate) struct Client(pub(crate) WebSocketStream<TcpStream>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://localhost/chat?name={name}");
        Self(client_async(url, stream).await.unwrap().0)
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(text.into()).await.unwrap();
    }

    /// The next event.
    pub(crate) async fn hear(&mut self) -> Value {
        let message = self.0.next().await.expect("the websocket has ended").unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap_or_else(|_| panic!("no event: {message:?}"))
    }

    /// The code and reason of the close, after whatever comes before it.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.0.next().await.expect("the websocket has ended").unwrap() {
                let frame = frame.expect("a code");
                // The answer goes out as this reads on.
                assert!(self.0.next().await.is_none_or(|rest| rest.is_err()));
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}

pub(crate) fn said(name: &str, text: &str) -> Value {
    json!({ "event": "said", "name": name, "text": text })
}
