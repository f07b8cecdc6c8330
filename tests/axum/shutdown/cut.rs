//! What is cut when its time is over.

use std::{
    future::pending,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use axum::{Router, routing::get};
use tokio::sync::Notify;
use tower_fiber::{
    BlockingLayer, FiberLayer, OnDrop, WaitExt as _,
    axum::{blocking_with, fiber_with, write_body_with},
    try_await_in_fiber,
};

use super::harness::{SHORT, Server, cut};
use crate::{
    harness::on_each_runtime,
    sockets::{self, Client, on_each_version},
};

#[test]
fn a_request_that_waits_for_ever() {
    for policy in [OnDrop::Cancel, OnDrop::Unwind] {
        on_each_version(|version| async move {
            let layer = FiberLayer::builder().on_drop(policy).build().unwrap();
            let entered = Arc::new(Notify::new());
            let enters = Arc::clone(&entered);
            let stuck = move || {
                enters.notify_one();
                _ = try_await_in_fiber(pending::<()>());
            };
            let app = Router::new().route("/", get(fiber_with(&layer, stuck)));
            let server = Server::with(app, |server| server.grace(SHORT).layer(&layer)).await;
            let mut client = Client::connect(server.address, version).await;
            let request = tokio::spawn(async move { client.broken(sockets::get("/")).await });
            entered.notified().await;
            let report = server.ended().await;
            assert_eq!(cut(&report), (1, 1, 0));
            assert_eq!(report.left, 0);
            request.await.unwrap();
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.cancelled, counters.leaked), (0, 1, 0));
        });
    }
}

#[test]
fn a_call_that_cannot_be_cancelled_is_left() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enters, released) = (Arc::clone(&entered), Arc::clone(&release));
        let stuck = move || {
            enters.notify_one();
            released.notified().wait();
        };
        let call = tokio::spawn(layer.run(stuck));
        entered.notified().await;
        let server = Server::with(Router::new(), |server| server.grace(SHORT).layer(&layer)).await;
        let report = server.ended().await;
        assert_eq!(cut(&report), (0, 0, 0));
        assert_eq!((report.cancelled, report.left), (1, 1));
        release.notify_one();
        call.await.unwrap();
    });
}

#[test]
fn a_call_on_the_blocking_pool() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::new();
        let entered = Arc::new(Notify::new());
        let enters = Arc::clone(&entered);
        let stuck = move || {
            enters.notify_one();
            _ = try_await_in_fiber(pending::<()>());
        };
        let app = Router::new().route("/", get(blocking_with(&layer, stuck)));
        let server = Server::with(app, |server| server.grace(SHORT).blocking_layer(&layer)).await;
        let mut client = Client::connect(server.address, sockets::Version::Http1).await;
        let request = tokio::spawn(async move { client.broken(sockets::get("/")).await });
        entered.notified().await;
        let report = server.ended().await;
        assert_eq!(cut(&report), (1, 1, 0));
        assert_eq!((report.cancelled, report.left), (1, 0));
        request.await.unwrap();
        assert_eq!(layer.handle().counters().cancelled, 1);
    });
}

#[test]
fn a_body_without_an_end() {
    on_each_version(|version| async move {
        let layer = FiberLayer::builder().on_drop(OnDrop::Cancel).build().unwrap();
        let of_body = layer.clone();
        let endless = move || {
            write_body_with(&of_body, |w| {
                w.write_all(b"begun")?;
                w.flush()?;
                Ok(try_await_in_fiber(pending())?)
            })
        };
        let app = Router::new().route("/", get(fiber_with(&layer, endless)));
        let server = Server::with(app, |server| server.grace(SHORT).layer(&layer)).await;
        let mut client = Client::connect(server.address, version).await;
        let body = client.send(sockets::get("/")).await.unwrap().into_body();
        assert_eq!(cut(&server.ended().await), (1, 1, 0));
        // The client knows that it is not complete.
        http_body_util::BodyExt::collect(body).await.unwrap_err();
        assert_eq!(layer.handle().counters().live, 0);
    });
}

/// A connection that a server has not accepted when it stops is none that it cuts. Servers accept in turn.
async fn all_are_accepted(server: &Server) {
    let mut last = Client::connect(server.address, sockets::Version::Http1).await;
    last.send(sockets::get("/")).await.unwrap();
}

#[test]
fn half_a_head() {
    on_each_runtime(|| async {
        let server = Server::with(Router::new(), |server| server.grace(SHORT)).await;
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nho").unwrap();
        all_are_accepted(&server).await;
        assert_eq!(cut(&server.ended().await), (1, 0, 0));
        let end = client.read(&mut [0]);
        assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn half_a_body() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let app = Router::new().route("/", axum::routing::post(fiber_with(&layer, |body: String| body)));
        let server = Server::with(app, |server| server.grace(SHORT).layer(&layer)).await;
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
        all_are_accepted(&server).await;
        assert_eq!(cut(&server.ended().await), (1, 1, 0));
        assert_eq!(layer.handle().counters().live, 0);
    });
}
