//! Handlers: what is called when.

use axum::extract::ws::Message;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tower_fiber::{
    WaitExt as _,
    axum::{SyncWebSocket, WebSocketEnd, WebSocketHandler},
};

use crate::ws::harness::{Server, close, on_each_runtime};

#[derive(Clone)]
struct Told(UnboundedSender<String>);

impl Told {
    fn tell(&self, text: impl Into<String>) {
        tokio::task::yield_now().wait();
        self.0.send(text.into()).unwrap();
    }
}

impl WebSocketHandler for Told {
    fn on_open(&mut self, socket: &mut SyncWebSocket) {
        self.tell("open");
        socket.send("welcome").unwrap();
    }

    fn on_message(&mut self, socket: &mut SyncWebSocket, message: Message) {
        let text = message.to_text().unwrap();
        self.tell(text);
        match text {
            "close" => socket.close(4000, "as you want"),
            "panic" => panic!("as you want"),
            _ => _ = socket.send(format!("{text}!")),
        }
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        self.tell(format!("closed: {end}"));
    }
}

async fn telling() -> (Server, UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let server = Server::of(move |socket| {
        // By reference, as one that is looked at afterwards.
        let mut handler = Told(tell.clone());
        socket.serve(&mut handler);
        handler.tell("served");
    })
    .await;
    (server, told)
}

/// All until it was served or has panicked.
async fn all(told: &mut UnboundedReceiver<String>, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    while all.last().is_none_or(|text| text != last) {
        all.push(told.recv().await.unwrap());
    }
    all
}

#[test]
fn a_conversation() {
    on_each_runtime(|| async {
        let (server, mut told) = telling().await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "welcome");
        client.send("a").await;
        client.send("b").await;
        assert_eq!((client.text().await, client.text().await), ("a!".to_owned(), "b!".to_owned()));
        client.close(1000, "bye").await;
        assert_eq!(client.closed().await, close(1000, "bye"));
        let all = all(&mut told, "served").await;
        assert_eq!(all, ["open", "a", "b", "closed: the client closed the websocket: 1000 bye", "served"]);
        server.drained().await;
    });
}

#[test]
fn closed_by_the_handler() {
    on_each_runtime(|| async {
        let (server, mut told) = telling().await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "welcome");
        client.send("close").await;
        assert_eq!(client.closed().await, close(4000, "as you want"));
        let all = all(&mut told, "served").await;
        assert_eq!(all, ["open", "close", "closed: the websocket was closed here: 4000 as you want", "served"]);
        server.drained().await;
    });
}

#[test]
fn the_client_vanishes() {
    on_each_runtime(|| async {
        let (server, mut told) = telling().await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "welcome");
        drop(client);
        let all = all(&mut told, "served").await;
        assert_eq!((all.len(), &*all[0]), (3, "open"));
        assert!(all[1].starts_with("closed: the client of the websocket has gone"), "{all:?}");
        server.drained().await;
    });
}

#[test]
fn a_panic_is_not_followed_by_a_close() {
    on_each_runtime(|| async {
        let (server, mut told) = telling().await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "welcome");
        client.send("panic").await;
        assert_eq!(client.closed().await, close(1011, ""));
        server.drained().await;
        assert_eq!(all(&mut told, "panic").await, ["open", "panic"]);
        assert!(told.try_recv().is_err());
    });
}
