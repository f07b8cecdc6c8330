//! Pings, while the function does something else.

use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tower_fiber::WaitExt as _;

use crate::ws::harness::{Server, close, on_each_runtime};

#[test]
fn are_answered_and_not_given_to_the_function() {
    on_each_runtime(|| async {
        let (release, released) = watch::channel(false);
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |socket| {
            released.clone().wait_for(|released| *released).wait().unwrap();
            report.send(socket.map(|message| message.to_text().unwrap().to_owned()).collect::<Vec<_>>()).unwrap();
        })
        .await;
        let mut client = server.client().await;
        for n in 0..100 {
            let payload = Bytes::from(n.to_string());
            client.send(Message::Ping(payload.clone())).await;
            assert_eq!(client.next().await, Message::Pong(payload));
            client.send(Message::Pong(Bytes::new())).await;
        }
        client.send("after all").await;
        release.send(true).unwrap();
        client.close(1000, "").await;
        assert_eq!(client.closed().await, close(1000, ""));
        assert_eq!(reports.recv().await.unwrap(), ["after all"]);
    });
}

#[test]
fn can_be_sent() {
    on_each_runtime(|| async {
        let server = Server::of(|mut socket| {
            socket.send(axum::extract::ws::Message::Ping("are you there?".into())).unwrap();
            _ = socket.recv();
        })
        .await;
        let mut client = server.client().await;
        assert_eq!(client.next().await, Message::Ping("are you there?".into()));
        client.send("I am").await;
        assert_eq!(client.closed().await, close(1000, ""));
        server.drained().await;
    });
}
