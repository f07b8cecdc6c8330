//! Server-sent events from an iterator.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::sse::{Event, KeepAlive},
    routing::get,
};
use http_body_util::BodyExt as _;
use tokio::{sync::oneshot, task::yield_now};
use tower_fiber::{
    FiberLayer,
    axum::{fiber, sse, sse_with},
    caller_gone,
    stream::FiberIter,
};

use crate::{
    harness::{on_each_runtime, waited},
    sockets::{self, Client, on_each_version, serve},
};

fn event(n: u32) -> Result<Event, Infallible> {
    Ok(Event::default().event("number").data(waited(n).to_string()))
}

#[test]
fn they_are_sent_in_order() {
    on_each_version(|version| async move {
        let app = Router::new().route("/", get(fiber(|| sse((1..=3).map(event)).keep_alive(KeepAlive::default()))));
        let mut client = Client::connect(serve(app).await, version).await;
        let response = client.send(sockets::get("/")).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let expected: String = (1..=3).map(|n| format!("event: number\ndata: {n}\n\n")).collect();
        assert_eq!(body, expected);
    });
}

#[test]
fn each_comes_when_it_is_there() {
    on_each_version(|version| async move {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<u32>();
        let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
        let handler = move || {
            let mut receiver = receiver.lock().unwrap().take().unwrap();
            let numbers = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
            sse(FiberIter::new(numbers).map(event))
        };
        let mut client = Client::connect(serve(Router::new().route("/", get(fiber(handler)))).await, version).await;
        let mut body = client.send(sockets::get("/")).await.unwrap().into_body();
        for n in 0..3 {
            sender.send(n).unwrap();
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(frame, format!("event: number\ndata: {n}\n\n"));
        }
        drop(sender);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "");
    });
}

#[test]
fn an_error_fails_the_response() {
    on_each_version(|version| async move {
        let events = || sse([Ok(Event::default().data("1")), Err(io::Error::other("no more"))]);
        let mut client = Client::connect(serve(Router::new().route("/", get(fiber(events)))).await, version).await;
        client.broken(sockets::get("/")).await;
    });
}

/// Tells that it was dropped, and whether its caller had gone by then.
struct Ends(Option<oneshot::Sender<bool>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.take().unwrap().send(caller_gone()).unwrap();
    }
}

#[test]
fn they_end_when_the_client_goes() {
    on_each_version(|version| async move {
        let layer = FiberLayer::new();
        let (end, ended) = oneshot::channel();
        let ends = Arc::new(std::sync::Mutex::new(Some(Ends(Some(end)))));
        let inside = layer.clone();
        let handler = move || {
            let ends = ends.lock().unwrap().take();
            sse_with(&inside, (0..).inspect(move |_| assert!(ends.is_some())).map(event))
        };
        let mut client = Client::connect(serve(Router::new().route("/", get(fiber(handler)))).await, version).await;
        let mut body = client.send(sockets::get("/")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        client.disconnect().await;
        assert!(ended.await.unwrap(), "the iterator was told");
        layer.handle().drained().await;
    });
}

#[test]
fn the_iterator_is_asked_as_the_client_reads() {
    on_each_runtime(|| async {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let events = (0..).inspect(move |_| _ = counter.fetch_add(1, Ordering::Relaxed)).map(event);
        let mut body = axum::response::IntoResponse::into_response(sse(events)).into_body();
        for n in 1..10 {
            body.frame().await.unwrap().unwrap();
            for _ in 0..20 {
                yield_now().await;
            }
            assert!(asked.load(Ordering::Relaxed) <= n + 2);
        }
    });
}
