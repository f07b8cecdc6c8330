//! Clients that go without a close.

use tokio::sync::mpsc;
use tower_fiber::{
    WaitExt as _,
    axum::{SyncWebSocket, WebSocketEnd},
};

use crate::ws::harness::{Server, on_each_runtime};

#[test]
fn while_the_function_receives() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            let count = socket.by_ref().count();
            report.send((count, matches!(socket.end(), Some(WebSocketEnd::Vanished(_))))).unwrap();
            assert_eq!(socket.recv(), None);
            assert!(socket.send("late").unwrap_err().is_closed());
        })
        .await;
        let mut client = server.client().await;
        client.send("a").await;
        client.send("b").await;
        drop(client);
        assert_eq!(reports.recv().await.unwrap(), (2, true));
        // So does one that is cut in the middle of a frame, and by a reset.
        let mut client = server.client().await;
        client.send("a").await;
        let stream = client.0.get_mut();
        tokio::io::AsyncWriteExt::write_all(stream, &[0x81, 0xFF, 0, 0]).await.unwrap();
        socket2::SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        let (count, vanished) = reports.recv().await.unwrap();
        assert!(count <= 1 && vanished, "{count}");
        server.drained().await;
    });
}

#[test]
fn while_the_function_sends() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            let large = "x".repeat(256 << 10);
            let error = loop {
                report.send(None).unwrap();
                if let Err(error) = socket.send(&*large) {
                    break error;
                }
            };
            assert_eq!(socket.recv(), None);
            let end = format!("{:?}", socket.end().unwrap());
            report
                .send(Some((error.is_closed(), error.into_message().into_text().unwrap() == large.as_str(), end)))
                .unwrap();
        })
        .await;
        let client = server.client().await;
        // Until it waits: the queue takes 64, buffers take some.
        for _ in 0..65 {
            assert!(reports.recv().await.unwrap().is_none());
        }
        drop(client);
        let (is_closed, is_same, end) = loop {
            if let Some(report) = reports.recv().await.unwrap() {
                break report;
            }
        };
        assert!(is_closed && is_same, "{end}");
        assert!(end.contains("Vanished"), "{end}");
        server.drained().await;
    });
}

#[test]
fn while_the_function_waits_for_something_else() {
    on_each_runtime(|| async {
        let (give, mut senders) = mpsc::unbounded_channel();
        let wait = move |socket: SyncWebSocket| {
            give.send(socket.sender()).unwrap();
            crate::support::until(|| socket.end().is_some()).wait();
        };
        let server = Server::of(wait).await;
        let client = server.client().await;
        let sender = senders.recv().await.unwrap();
        sender.try_send("a").unwrap();
        drop(client);
        server.drained().await;
        assert!(sender.is_closed());
    });
}
