//! Messages in both directions.

use axum::extract::ws::Message as ServerMessage;
use tokio::sync::mpsc;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Bytes, ClientRequestBuilder, Message},
};
use tower_fiber::{FiberLayer, axum::SyncWebSocket};

use crate::ws::harness::{Server, close, on_each_runtime};

fn echo(mut socket: SyncWebSocket) {
    while let Some(message) = socket.recv() {
        socket.send(message).unwrap();
    }
}

#[test]
fn comes_back_as_it_was() {
    on_each_runtime(|| async {
        let server = Server::of(echo).await;
        let mut client = server.client().await;
        let large = "€".repeat(256 << 10);
        for message in [
            Message::text("hello"),
            Message::text(""),
            Message::binary(Bytes::new()),
            Message::binary(vec![0, 255]),
            Message::text(large),
        ] {
            client.send(message.clone()).await;
            assert!(client.next().await == message);
        }
        client.close(1000, "").await;
        assert_eq!(client.closed().await, close(1000, ""));
        server.drained().await;
    });
}

#[test]
fn many_messages_in_flight_keep_their_order() {
    on_each_runtime(|| async {
        let server = Server::of(echo).await;
        let mut client = server.client().await;
        for round in 0..10 {
            for n in 0..100 {
                client.send(format!("{round} {n}")).await;
            }
            for n in 0..100 {
                assert_eq!(client.text().await, format!("{round} {n}"));
            }
        }
        drop(client);
        server.drained().await;
    });
}

#[test]
fn a_socket_is_an_iterator() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            let first = socket.by_ref().take(2).collect::<Vec<_>>();
            let sender = socket.sender();
            let rest = socket.inspect(|message| sender.send(message.clone()).unwrap()).count();
            report.send((first, rest)).unwrap();
        })
        .await;
        let mut client = server.client().await;
        for text in ["a", "b", "c", "d"] {
            client.send(text).await;
        }
        assert_eq!((client.text().await, client.text().await), ("c".to_owned(), "d".to_owned()));
        client.close(1000, "").await;
        let (first, rest) = reports.recv().await.unwrap();
        assert_eq!(first, [ServerMessage::text("a"), ServerMessage::text("b")]);
        assert_eq!(rest, 2);
    });
}

#[test]
fn the_subprotocol_is_known() {
    on_each_runtime(|| async {
        let report = |mut socket: SyncWebSocket| {
            let protocol = socket.protocol().map(|protocol| protocol.to_str().unwrap().to_owned());
            socket.send(format!("{protocol:?}")).unwrap();
        };
        let server = Server::with(FiberLayer::new(), |ws| ws.protocols(["chat", "news"]), report).await;
        assert_eq!(server.client().await.text().await, "None");
        let request = ClientRequestBuilder::new("ws://localhost/".parse().unwrap()).with_sub_protocol("news");
        let (socket, response) = client_async(request, server.tcp().await).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "news");
        assert_eq!(crate::ws::harness::Client(socket).text().await, r#"Some("news")"#);
        server.drained().await;
    });
}
