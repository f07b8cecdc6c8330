//! `recv_timeout`.

use std::time::Duration;

use tokio::sync::mpsc;
use tower_fiber::{FiberLayer, OnDrop};

use crate::ws::harness::{Server, close, on_each_runtime, with_ticking_time};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn it_elapses_and_the_websocket_goes_on() {
    on_each_runtime(|| async {
        let server = Server::of(|mut socket| {
            assert!(socket.recv_timeout(Duration::from_millis(5)).is_err());
            assert!(socket.recv_timeout(Duration::ZERO).is_err() && socket.end().is_none());
            socket.send("still here").unwrap();
            let message = socket.recv_timeout(LONG).unwrap().unwrap();
            socket.send(message).unwrap();
            assert_eq!(socket.recv_timeout(LONG), Ok(None));
            assert!(socket.end().unwrap().is_closed());
        })
        .await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "still here");
        client.send("a").await;
        assert_eq!(client.text().await, "a");
        client.close(1000, "").await;
        assert_eq!(client.closed().await, close(1000, ""));
        server.drained().await;
    });
}

#[test]
fn it_waits_as_long_as_it_says() {
    with_ticking_time(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            let begun = tokio::time::Instant::now();
            assert!(socket.recv_timeout(LONG).is_err());
            report.send(begun.elapsed().as_secs()).unwrap();
        })
        .await;
        let mut client = server.client().await;
        assert_eq!(reports.recv().await, Some(60));
        assert_eq!(client.closed().await, close(1000, ""));
    });
}

#[test]
fn a_cancel_ends_it() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
        let handle = layer.handle();
        let server = Server::with(
            layer,
            |ws| ws,
            move |mut socket| {
                report.send(None).unwrap();
                report.send(Some(socket.recv_timeout(LONG))).unwrap();
            },
        )
        .await;
        let mut client = server.client().await;
        assert_eq!(reports.recv().await, Some(None));
        handle.cancel_all();
        assert_eq!(reports.recv().await, Some(Some(Ok(None))));
        assert_eq!(client.closed().await, close(1001, ""));
        server.drained().await;
    });
}
