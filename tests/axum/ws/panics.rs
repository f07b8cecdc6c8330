//! Functions that panic.

use tower_fiber::{FiberLayer, axum::SyncWebSocket};

use crate::{
    support::Drops,
    ws::harness::{Server, close, on_each_runtime},
};

fn talk(mut socket: SyncWebSocket) {
    socket.send("hello").unwrap();
    while let Some(message) = socket.recv() {
        assert!(message.to_text().unwrap() != "panic", "as you want");
        socket.send(message).unwrap();
    }
}

#[test]
fn tell_their_client_and_no_other() {
    on_each_runtime(|| async {
        let server = Server::of(talk).await;
        let (mut first, mut second) = (server.client().await, server.client().await);
        assert_eq!((first.text().await, second.text().await), ("hello".to_owned(), "hello".to_owned()));
        first.send("panic").await;
        assert_eq!(first.closed().await, close(1011, ""));
        second.send("go on").await;
        assert_eq!(second.text().await, "go on");
        assert_eq!(server.client().await.text().await, "hello");
        drop(second);
        server.drained().await;
    });
}

#[test]
fn at_once_have_sent_what_they_sent() {
    on_each_runtime(|| async {
        let server = Server::of(|mut socket| {
            socket.send("hello").unwrap();
            panic!("at once");
        })
        .await;
        let (texts, end) = server.client().await.rest().await;
        assert_eq!((&*texts, end), (&["hello".to_owned()][..], Some(close(1011, ""))));
        server.drained().await;
    });
}

/// Talks to the client when it is dropped.
struct Farewell(SyncWebSocket);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.send("farewell").unwrap();
        assert_eq!(self.0.recv(), None, "it cannot wait now");
    }
}

#[test]
fn may_send_while_they_unwind() {
    on_each_runtime(|| async {
        let drops = Drops::default();
        let inside = drops.clone();
        let server = Server::of(move |socket| {
            let _held = inside.held();
            let _farewell = Farewell(socket);
            panic!("at once");
        })
        .await;
        let (texts, end) = server.client().await.rest().await;
        assert_eq!((&*texts, end), (&["farewell".to_owned()][..], Some(close(1011, ""))));
        server.drained().await;
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_closed_layer_is_a_panic() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        layer.handle().close();
        let server = Server::with(layer, |ws| ws, |_| unreachable!("it is closed")).await;
        assert_eq!(server.client().await.closed().await, close(1011, ""));
        server.drained().await;
    });
}
