//! Clients that go in the middle of a body, of either direction.

use std::{
    io::{self, Read as _, Write as _},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use futures_util::stream;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower_fiber::{
    FiberLayer, OnDrop,
    axum::{BodyReader, fiber_with, write_body_with},
};

use crate::sockets::{self, Client, Version, on_each_version, serve};

type Reports = mpsc::UnboundedSender<String>;

/// Reads to the end, and reports how that went.
fn read(mut body: BodyReader, reports: &Reports) {
    let mut buffer = [0; 4096];
    reports.send(format!("first {}", body.read(&mut buffer).unwrap())).unwrap();
    let end = loop {
        match body.read(&mut buffer) {
            Ok(0) => break "whole".to_owned(),
            Ok(_) => {}
            Err(error) => break format!("{:?}", error.kind()),
        }
    };
    reports.send(end).unwrap();
}

async fn upload_half(policy: OnDrop, version: Version) -> String {
    let layer = FiberLayer::builder().on_drop(policy).build().unwrap();
    let (report, mut reports) = mpsc::unbounded_channel();
    let app = Router::new().route("/", post(fiber_with(&layer, move |body: BodyReader| read(body, &report))));
    let mut client = Client::connect(serve(app).await, version).await;
    // The first chunk, and then nothing.
    let chunks = stream::unfold(0, async |n| match n {
        0 => Some((Ok::<_, io::Error>(Bytes::from_static(b"half")), 1)),
        _ => std::future::pending().await,
    });
    let mut request = sockets::post("/", Body::from_stream(chunks));
    request.headers_mut().insert("content-length", 8.into());
    {
        let sending = client.send(request);
        tokio::pin!(sending);
        tokio::select! {
            _ = &mut sending => panic!("it is not whole"),
            first = reports.recv() => assert_eq!(first.unwrap(), "first 4"),
        }
    }
    client.disconnect().await;
    let end = reports.recv().await.unwrap();
    layer.handle().drained().await;
    assert_eq!(layer.handle().counters().leaked, 0);
    end
}

#[test]
fn while_it_is_sent_is_an_error_for_the_reader() {
    on_each_version(|version| async move {
        for policy in [OnDrop::Finish, OnDrop::Cancel] {
            assert_eq!(upload_half(policy, version).await, "ConnectionAborted");
        }
    });
}

#[test]
fn while_it_is_received_is_an_error_for_the_writer() {
    on_each_version(|version| async move {
        let layer = FiberLayer::new();
        let (report, mut reports) = mpsc::unbounded_channel();
        let report = Arc::new(Mutex::new(Some(report)));
        let inside = layer.clone();
        let handler = move || {
            let report = report.lock().unwrap().take().unwrap();
            write_body_with(&inside, move |w| {
                let error = loop {
                    if let Err(error) = w.write_all(&[0; 1000]) {
                        break error;
                    }
                };
                report.send(error.kind()).unwrap();
                Err(error)
            })
        };
        let app = Router::new().route("/", get(fiber_with(&layer, handler)));
        let mut client = Client::connect(serve(app).await, version).await;
        let mut body = client.send(sockets::get("/")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        client.disconnect().await;
        assert_eq!(reports.recv().await, Some(io::ErrorKind::BrokenPipe));
        layer.handle().drained().await;
        assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
    });
}
