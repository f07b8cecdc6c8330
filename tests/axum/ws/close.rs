//! Closes, by either side.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use futures_util::StreamExt as _;
use tokio::{
    sync::{
        mpsc::{self, UnboundedReceiver},
        watch,
    },
    time::Instant,
};
use tower_fiber::{WaitExt as _, await_in_fiber, axum::SyncWebSocket, yield_now};

use crate::{
    support::{text_of_panic, until},
    ws::harness::{Server, close, on_each_runtime, with_paused_time},
};

/// A server that does something, drains its socket, and reports what it got and how that ended.
async fn reporting(act: impl Fn(&mut SyncWebSocket) + Clone + Send + Sync + 'static) -> (Server, Reports) {
    let (report, reports) = mpsc::unbounded_channel();
    let server = Server::of(move |mut socket| {
        act(&mut socket);
        let texts = socket.by_ref().map(|message| message.to_text().unwrap().to_owned()).collect();
        assert_eq!(socket.recv(), None);
        assert!(socket.send("late").unwrap_err().is_closed());
        report.send((texts, format!("{}", socket.end().unwrap()))).unwrap();
    })
    .await;
    (server, reports)
}

type Reports = UnboundedReceiver<(Vec<String>, String)>;

#[test]
fn by_the_client() {
    on_each_runtime(|| async {
        let (server, mut reports) = reporting(|_| ()).await;
        let mut client = server.client().await;
        client.send("first").await;
        client.close(4321, "enough").await;
        assert_eq!(client.closed().await, close(4321, "enough"), "it is answered");
        let (texts, end) = reports.recv().await.unwrap();
        assert_eq!((texts, &*end), (vec!["first".to_owned()], "the client closed the websocket: 4321 enough"));
        let mut client = server.client().await;
        client.0.close(None).await.unwrap();
        assert_eq!(client.rest().await, (vec![], None));
        assert_eq!(reports.recv().await.unwrap(), (vec![], "the client closed the websocket".to_owned()));
        server.drained().await;
    });
}

#[test]
fn by_the_client_while_much_is_unread() {
    on_each_runtime(|| async {
        let (release, released) = watch::channel(false);
        let (server, mut reports) = reporting(move |_| {
            await_in_fiber(released.clone().wait_for(|released| *released)).unwrap();
        })
        .await;
        let mut client = server.client().await;
        for n in 0..100 {
            client.send(n.to_string()).await;
        }
        client.close(1000, "").await;
        release.send(true).unwrap();
        assert_eq!(client.closed().await, close(1000, ""));
        let (texts, end) = reports.recv().await.unwrap();
        assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(end, "the client closed the websocket: 1000");
    });
}

#[test]
fn by_the_server() {
    on_each_runtime(|| async {
        let (server, mut reports) = reporting(|socket| {
            (0..10).for_each(|n| socket.send(n.to_string()).unwrap());
            socket.close(4000, "full");
            socket.close(4001, "not sent");
            assert!(socket.send("late").unwrap_err().is_closed());
            assert!(socket.sender().try_send("late").unwrap_err().is_closed());
            assert!(socket.sender().is_closed());
        })
        .await;
        let mut client = server.client().await;
        // It was not told yet that the server closes.
        client.send("crossing").await;
        let (texts, end) = client.rest().await;
        assert_eq!(texts, (0..10).map(|n| n.to_string()).collect::<Vec<_>>(), "what was queued is sent");
        assert_eq!(end, Some(close(4000, "full")));
        let (texts, end) = reports.recv().await.unwrap();
        assert_eq!(texts, ["crossing"]);
        assert_eq!(end, "the websocket was closed here: 4000 full");
        server.drained().await;
    });
}

#[test]
fn by_a_message() {
    on_each_runtime(|| async {
        let frame = CloseFrame { code: 4002, reason: "so".into() };
        let (server, mut reports) =
            reporting(move |socket| socket.send(Message::Close(Some(frame.clone()))).unwrap()).await;
        assert_eq!(server.client().await.closed().await, close(4002, "so"));
        assert!(reports.recv().await.unwrap().1.contains("closed here"));
    });
}

#[test]
fn by_the_return_of_the_function() {
    on_each_runtime(|| async {
        let (give, mut senders) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            // More than the queue has room for, and some that are large.
            (0..200).for_each(|n| socket.send(n.to_string()).unwrap());
            (0..20).for_each(|_| socket.send("x".repeat(100_000)).unwrap());
            give.send(socket.sender()).unwrap();
        })
        .await;
        let mut client = server.client().await;
        let (texts, end) = client.rest().await;
        assert_eq!(texts[..200], (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!((texts.len(), end), (220, Some(close(1000, ""))));
        let sender = senders.recv().await.unwrap();
        server.drained().await;
        let error = sender.try_send("late").unwrap_err();
        assert!(error.is_closed() && !error.is_full() && !error.is_cancelled() && sender.is_closed(), "{error:?}");
        assert_eq!(error.into_message(), Message::text("late"));
        sender.close(1000, "");
    });
}

#[test]
fn are_seen_though_the_socket_was_dropped() {
    on_each_runtime(|| async {
        let server = Server::of(|socket| {
            let sender = socket.sender();
            drop(socket);
            sender.send("still open").unwrap();
            until(|| sender.is_closed()).wait();
        })
        .await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "still open");
        // Nobody receives that, and it is not in the way of the close.
        for _ in 0..100 {
            client.send("dropped").await;
        }
        client.close(1000, "").await;
        assert_eq!(client.closed().await, close(1000, ""));
        server.drained().await;
    });
}

#[test]
fn a_long_reason_is_cut() {
    on_each_runtime(|| async {
        // 41 times three bytes are 123.
        let server = Server::of(|mut socket| socket.close(4000, "€".repeat(50))).await;
        assert_eq!(server.client().await.closed().await, close(4000, &"€".repeat(41)));
        let server = Server::of(|mut socket| socket.close(4000, format!("a{}", "€".repeat(50)))).await;
        assert_eq!(server.client().await.closed().await, close(4000, &format!("a{}", "€".repeat(40))));
    });
}

#[test]
fn is_not_waited_for_without_end() {
    with_paused_time(|| async {
        let (server, mut reports) = reporting(|socket| {
            socket.send("hello").unwrap();
            socket.close(1000, "");
        })
        .await;
        let begun = Instant::now();
        // Reads nothing, so that the close is not answered.
        let client = server.client().await;
        assert_eq!(reports.recv().await.unwrap(), (vec![], "the websocket was closed here".to_owned()));
        let took = begun.elapsed().as_secs();
        assert!((10..11).contains(&took), "{took}");
        server.drained().await;
        drop(client);
    });
}

#[test]
fn by_return_is_not_waited_for_without_end() {
    with_paused_time(|| async {
        let (give, mut senders) = mpsc::unbounded_channel();
        let server = Server::of(move |socket| {
            give.send(socket.sender()).unwrap();
            // The client takes some of it and then reads no more.
            while socket.sender().try_send("x".repeat(256 << 10)).is_ok() {
                yield_now();
            }
        })
        .await;
        let mut client = server.client().await;
        let sender = senders.recv().await.unwrap();
        server.drained().await;
        assert!(sender.is_closed());
        tokio::time::sleep(Duration::from_secs(11)).await;
        // It was cut in the middle, before the close.
        while let Some(Ok(message)) = client.0.next().await {
            assert!(!message.is_close());
        }
    });
}

#[test]
fn codes_that_cannot_be_sent_are_refused() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            for code in [0, 999, 1004, 1005, 1006, 1014, 1015, 2999, 5000, u16::MAX] {
                let text = text_of_panic(|| socket.close(code, ""));
                assert!(text.contains(&format!("{code}")) && text.contains("4999"), "{text}");
            }
            report.send(()).unwrap();
            socket.close(1013, "");
        })
        .await;
        let mut client = server.client().await;
        reports.recv().await.unwrap();
        assert_eq!(client.closed().await, close(1013, ""));
    });
}

#[test]
fn of_the_connection_does_not_wait_for_the_function() {
    on_each_runtime(|| async {
        let (release, released) = watch::channel(false);
        let server = Server::of(move |mut socket| {
            socket.close(1000, "");
            await_in_fiber(released.clone().wait_for(|released| *released)).unwrap();
        })
        .await;
        let mut client = server.client().await;
        assert_eq!(client.closed().await, close(1000, ""));
        assert_eq!(server.layer.handle().live(), 1);
        release.send(true).unwrap();
        server.drained().await;
    });
}
