//! How long clients may take.

use std::{
    error::Error as _,
    io::{Read as _, Write as _},
    iter,
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    routing::post,
};
use tokio::sync::Notify;
use tower_fiber::{
    axum::{BodyReader, fiber},
    error::Elapsed,
};

use super::harness::{LONG, SHORT, Server, assert_nothing_cut};
use crate::harness::on_each_runtime;

/// What the server answers, until it closes the connection.
async fn answer(mut client: TcpStream) -> String {
    let read = move || {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

#[test]
fn a_head_that_does_not_arrive() {
    on_each_runtime(|| async {
        let server = Server::with(Router::new(), |server| server.grace(LONG).header_timeout(SHORT)).await;
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nho").unwrap();
        assert_eq!(answer(client).await, "");
        assert_nothing_cut(server.ended().await);
    });
}

#[test]
fn a_body_that_does_not_arrive() {
    on_each_runtime(|| async {
        let read = |mut body: BodyReader| {
            let mut text = String::new();
            assert!(body.read_to_string(&mut text).is_err());
            format!("{text}: {}", body.take_error().expect("reading has failed"))
        };
        let app = Router::new().route("/", post(fiber(read)));
        let server = Server::with(app, |server| server.grace(LONG).body_timeout(SHORT)).await;
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
        let answer = answer(client).await;
        assert!(answer.contains("half: ") && answer.ends_with("has arrived for 50ms"), "{answer}");
        assert_nothing_cut(server.ended().await);
    });
}

#[test]
fn the_error_of_a_body_that_does_not_arrive_is_found_by_its_type() {
    on_each_runtime(|| async {
        let read = async |body: Body| {
            let error = to_bytes(body, usize::MAX).await.unwrap_err();
            let sources = iter::successors(error.source(), |&error| error.source());
            let is_found = sources.last().unwrap().is::<Elapsed>();
            format!("{error}: {is_found}")
        };
        let app = Router::new().route("/", post(read));
        let server = Server::with(app, |server| server.grace(LONG).body_timeout(SHORT)).await;
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
        let answer = answer(client).await;
        assert!(answer.contains("has arrived for 50ms: true"), "{answer}");
        assert_nothing_cut(server.ended().await);
    });
}

/// What is longer than a clock goes is no limit.
#[test]
fn limits_that_never_come() {
    on_each_runtime(|| async {
        let reads = Arc::new(Notify::new());
        let begun = Arc::clone(&reads);
        let read = move |mut body: BodyReader| {
            begun.notify_one();
            let mut text = String::new();
            body.read_to_string(&mut text).unwrap();
            text
        };
        let app = Router::new().route("/", post(fiber(read)));
        let server = Server::with(app, |server| {
            server.header_timeout(Duration::MAX).body_timeout(Duration::MAX).grace(Duration::MAX)
        });
        let server = server.await;
        let mut client = TcpStream::connect(server.address).unwrap();
        client
            .write_all(b"POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 8\r\n\r\nhalf")
            .unwrap();
        reads.notified().await;
        client.write_all(b"rest").unwrap();
        let answer = answer(client).await;
        assert!(answer.ends_with("halfrest"), "{answer}");
        assert_nothing_cut(server.ended().await);
    });
}
