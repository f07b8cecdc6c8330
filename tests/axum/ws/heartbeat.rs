//! Pings for silent clients, and the end of those that stay silent.

use std::{
    error::Error as _,
    iter,
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use axum::{Router, extract::WebSocketUpgrade, routing::any, serve::ListenerExt as _};
use tokio::{net::TcpListener, sync::mpsc, time::Instant};
use tokio_tungstenite::{client_async, tungstenite::Message};
use tower_fiber::{
    axum::{SyncWebSocket, WebSocketEnd, WebSocketUpgradeExt as _},
    error::Elapsed,
};

use crate::ws::{
    harness::{Client, on_each_runtime, with_ticking_time},
    raw::{End, FIN, RawClient, masked},
};

const PING: [u8; 2] = [0x89, 0];

async fn serve(
    interval: Duration,
    timeout: Duration,
    f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let upgrade = async move |ws: WebSocketUpgrade| ws.heartbeat(interval, timeout).on_upgrade_fiber(f);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // A ping must not wait for the client's kernel to acknowledge the last message, which takes 40 ms of real time.
    let listener = listener.tap_io(|client| client.set_nodelay(true).unwrap());
    tokio::spawn(async { axum::serve(listener, Router::new().route("/", any(upgrade))).await });
    address
}

/// A function that echoes and reports how its websocket has ended.
fn echo() -> (impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static, mpsc::UnboundedReceiver<String>) {
    let (report, reports) = mpsc::unbounded_channel();
    let echo = move |mut socket: SyncWebSocket| {
        while let Some(message) = socket.recv() {
            _ = socket.send(message);
        }
        let end = socket.end().unwrap();
        assert!(matches!(end, WebSocketEnd::Vanished(Some(_)) | WebSocketEnd::ClosedByPeer(_)), "{end}");
        if let WebSocketEnd::Vanished(Some(error)) = end {
            let sources = iter::successors(error.source(), |&error| error.source());
            assert!(sources.last().unwrap().is::<Elapsed>(), "{error:?}");
        }
        report.send(end.to_string()).unwrap();
    };
    (echo, reports)
}

#[test]
fn a_silent_client_is_cut() {
    on_each_runtime(|| async {
        let (echo, mut reports) = echo();
        let short = Duration::from_millis(10);
        let client = RawClient::open(serve(short, short, echo).await, "/", &[]).await;
        assert_eq!(client.rest().await, (PING.to_vec(), End::Eof));
        let end = reports.recv().await.unwrap();
        assert_eq!(end, "the client of the websocket has gone: it has sent nothing within 10ms of a ping");
    });
}

#[test]
fn after_the_interval_and_the_time_out() {
    with_ticking_time(|| async {
        let (echo, mut reports) = echo();
        let begun = Instant::now();
        let address = serve(Duration::from_secs(30), Duration::from_secs(10), echo).await;
        let mut client = RawClient::open(address, "/", &[]).await;
        assert_eq!(client.next().await, PING);
        assert_eq!(begun.elapsed().as_secs(), 30);
        // Anything is a sign of life.
        client.send(&masked(FIN | 1, b"hi")).await.unwrap();
        assert_eq!(client.next().await, *b"\x81\x02hi");
        assert_eq!(client.next().await, PING);
        assert_eq!(begun.elapsed().as_secs(), 60);
        client.send(&masked(FIN | 10, b"")).await.unwrap();
        assert_eq!(client.next().await, PING);
        assert_eq!(begun.elapsed().as_secs(), 90);
        reports.recv().await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 100);
        assert_eq!(client.rest().await, (vec![], End::Eof));
    });
}

#[test]
fn a_client_that_sends_gets_none() {
    with_ticking_time(|| async {
        let (echo, _reports) = echo();
        let mut client =
            RawClient::open(serve(Duration::from_secs(30), Duration::from_secs(10), echo).await, "/", &[]).await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(25)).await;
            client.send(&masked(FIN | 1, b"hi")).await.unwrap();
            assert_eq!(client.next().await, *b"\x81\x02hi");
        }
    });
}

#[test]
fn a_client_that_answers_stays() {
    on_each_runtime(|| async {
        let (echo, mut reports) = echo();
        let address = serve(Duration::from_millis(5), Duration::from_secs(30), echo).await;
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut client = Client(client_async("ws://localhost/", stream).await.unwrap().0);
        for _ in 0..20 {
            // The client's library answers as it reads on.
            assert_eq!(client.next().await, Message::Ping("".into()));
        }
        client.send("hi").await;
        while client.next().await != Message::Text("hi".into()) {}
        client.close(1000, "").await;
        loop {
            match client.next().await {
                Message::Ping(_) => {}
                Message::Close(frame) => break assert_eq!(frame.unwrap().code, 1000.into()),
                message => panic!("{message}"),
            }
        }
        assert_eq!(reports.recv().await.unwrap(), "the client closed the websocket: 1000");
    });
}

/// A function that is slow has the client's pongs waiting unread.
#[test]
fn the_clock_stands_still_while_nothing_is_read() {
    with_ticking_time(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let busy = move |mut socket: SyncWebSocket| {
            let message = socket.recv().unwrap();
            // While 16 messages are unanswered nothing is read.
            tower_fiber::WaitExt::wait(tokio::time::sleep(Duration::from_secs(300)));
            _ = socket.send(message);
            report.send(socket.count()).unwrap();
        };
        let address = serve(Duration::from_secs(10), Duration::from_secs(10), busy).await;
        let mut client = RawClient::open(address, "/", &[]).await;
        client.send(&masked(FIN | 1, b"hi").repeat(16)).await.unwrap();
        assert_eq!(client.next().await, *b"\x81\x02hi");
        client.send(&masked(FIN | 8, b"\x03\xE8")).await.unwrap();
        assert_eq!(reports.recv().await, Some(15));
    });
}

/// Such a client is never cut, and a time that is too long to be told is one too.
#[test]
fn for_ever() {
    on_each_runtime(|| async {
        for (interval, timeout) in [(Duration::MAX, Duration::MAX), (Duration::from_millis(5), Duration::MAX)] {
            let (echo, _reports) = echo();
            let mut client = RawClient::open(serve(interval, timeout, echo).await, "/", &[]).await;
            if interval < timeout {
                assert_eq!(client.next().await, PING);
            }
            client.send(&masked(FIN | 1, b"hi")).await.unwrap();
            assert_eq!(client.next().await, *b"\x81\x02hi");
        }
    });
}

#[test]
fn zero_is_refused() {
    on_each_runtime(|| async {
        let upgrade = async |ws: WebSocketUpgrade| {
            let refused = catch_unwind(AssertUnwindSafe(|| ws.heartbeat(Duration::ZERO, Duration::MAX))).unwrap_err();
            refused.downcast::<&str>().unwrap().to_string()
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", any(upgrade))).await });
        let mut client = RawClient::open(address, "/", &[]).await;
        assert_eq!(client.next().await, *b"a heartbeat was given");
    });
}
