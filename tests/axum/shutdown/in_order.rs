//! What ends by itself, and what is told to.

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use axum::{Router, extract::ConnectInfo, http::StatusCode, response::sse::Event, routing::get};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _,
    axum::{Stopping, fiber, fiber_with, sse_with, write_body_with},
    until_caller_gone,
};

use super::harness::{Server, assert_nothing_cut};
use crate::{
    harness::{on_each_runtime, waited},
    sockets::{self, Client, Version, on_each_version},
};

#[test]
fn a_request_in_flight_is_answered() {
    on_each_version(|version| async move {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let layer = FiberLayer::new();
        let (enters, released) = (Arc::clone(&entered), Arc::clone(&release));
        let slow = move || {
            enters.notify_one();
            released.notified().wait();
            "done"
        };
        let app = Router::new().route("/", get(fiber_with(&layer, slow)));
        let mut server = Server::with(app, |server| server.grace(super::harness::LONG).layer(&layer)).await;
        let mut client = Client::connect(server.address, version).await;
        let request = tokio::spawn(async move { client.text(sockets::get("/")).await });
        entered.notified().await;
        server.stop();
        // The listener is closed, while the request is in flight.
        while TcpStream::connect(server.address).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(layer.handle().live(), 1);
        release.notify_one();
        assert_eq!(request.await.unwrap(), (StatusCode::OK, "done".to_owned()));
        assert_nothing_cut(server.ended().await);
        assert_eq!(layer.handle().counters().live, 0);
    });
}

#[test]
fn event_streams_end_between_two_events() {
    on_each_version(|version| async move {
        let layer = FiberLayer::builder().on_drop(OnDrop::Cancel).build().unwrap();
        let of_events = layer.clone();
        let handler = move || {
            sse_with(
                &of_events,
                (0..).map(|n: u32| {
                    if n > 1 {
                        until_caller_gone().wait();
                    }
                    Ok::<_, Infallible>(Event::default().data(waited(n).to_string()))
                }),
            )
        };
        let app = Router::new().route("/", get(fiber_with(&layer, handler)));
        let server = Server::with(app, |server| server.grace(super::harness::LONG).layer(&layer)).await;
        let mut client = Client::connect(server.address, version).await;
        let mut body = client.send(sockets::get("/")).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "data: 0\n\n");
        let ended = tokio::spawn(server.ended());
        // It ends as a whole one does, not as one that was cut.
        let rest = body.collect().await.unwrap().to_bytes();
        assert!(rest.is_empty() || rest == "data: 1\n\n", "{rest:?}");
        assert_nothing_cut(ended.await.unwrap());
        assert_eq!(layer.handle().counters().live, 0);
    });
}

#[test]
fn handlers_can_learn_of_it() {
    on_each_version(|version| async move {
        let layer = FiberLayer::new();
        let of_body = layer.clone();
        let handler = move |stopping: Stopping| {
            assert!(!stopping.has_begun());
            write_body_with(&of_body, move |w| {
                w.write_all(b"begun,")?;
                w.flush()?;
                stopping.begun().wait();
                assert!(stopping.has_begun());
                w.write_all(b"ended")
            })
        };
        let app = Router::new().route("/", get(fiber_with(&layer, handler)));
        let server = Server::with(app, |server| server.grace(super::harness::LONG).layer(&layer)).await;
        let mut client = Client::connect(server.address, version).await;
        let mut body = client.send(sockets::get("/")).await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun,");
        let ended = tokio::spawn(server.ended());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ended");
        assert_nothing_cut(ended.await.unwrap());
    });
}

#[test]
fn without_the_server_nothing_is_told() {
    on_each_runtime(|| async {
        let handler = |stopping: Stopping| stopping.has_begun().to_string();
        let app: Router = Router::new().route("/", get(fiber(handler)));
        assert_eq!(crate::harness::get(&app, "/").await, (StatusCode::OK, "false".to_owned()));
    });
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    on_each_version(|version| async move {
        let server = Server::of(Router::new().route("/", get(fiber(|| waited("here"))))).await;
        let mut client = Client::connect(server.address, version).await;
        assert_eq!(client.text(sockets::get("/")).await.1, "here");
        assert_nothing_cut(server.ended().await);
    });
}

#[test]
fn connections_without_a_request_do_not_hold_it_up() {
    on_each_runtime(|| async {
        let server = Server::of(Router::new()).await;
        let _silent = TcpStream::connect(server.address).unwrap();
        assert_nothing_cut(server.ended().await);
    });
}

/// The system has accepted these connections, and the server has not seen them.
#[test]
fn connections_that_are_queued_are_served() {
    on_each_runtime(|| async {
        let server = Server::of(Router::new().route("/", get(fiber(|| waited("here"))))).await;
        let mut clients: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut client = TcpStream::connect(server.address).unwrap();
                client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
                client
            })
            .collect();
        assert_nothing_cut(server.ended().await);
        for client in &mut clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("here"), "{answer}");
        }
    });
}

#[test]
fn calls_whose_caller_has_gone_are_awaited() {
    on_each_runtime(|| async {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let layer = FiberLayer::new();
        let (enters, released) = (Arc::clone(&entered), Arc::clone(&release));
        let slow = move || {
            enters.notify_one();
            released.notified().wait();
        };
        let app = Router::new().route("/", get(fiber_with(&layer, slow)));
        let server = Server::with(app, |server| server.grace(super::harness::LONG).layer(&layer)).await;
        let mut client = Client::connect(server.address, Version::Http1).await;
        let request = tokio::spawn(async move {
            _ = client.send(sockets::get("/")).await;
        });
        entered.notified().await;
        request.abort();
        while layer.handle().counters().handed_over == 0 && layer.handle().live() == 1 && !request.is_finished() {
            tokio::task::yield_now().await;
        }
        let mut ended = tokio::spawn(server.ended());
        assert!(tokio::time::timeout(super::harness::SHORT, &mut ended).await.is_err());
        release.notify_one();
        assert_nothing_cut(ended.await.unwrap());
        assert_eq!(layer.handle().counters().cancelled, 0);
    });
}

#[test]
fn requests_know_their_client() {
    on_each_version(|version| async move {
        let who = |ConnectInfo(client): ConnectInfo<SocketAddr>| client.ip().to_string();
        let server = Server::of(Router::new().route("/", get(fiber(who)))).await;
        let mut client = Client::connect(server.address, version).await;
        assert_eq!(client.text(sockets::get("/")).await.1, "127.0.0.1");
        assert_nothing_cut(server.ended().await);
    });
}
