//! What the server's log says of responses that fail.

use std::{
    convert::Infallible,
    future::Future,
    io::{self, Write as _},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Method, StatusCode},
    response::sse::Event,
    routing::{get, post},
};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use tokio::runtime::Builder;
use tower_fiber::{
    FiberLayer, Placement,
    axum::{BodyError, BodyReader, fiber, sse, sse_with, write_body, write_body_with},
    stream::fiber_stream,
};

use crate::{
    harness::{get as ask, request, send},
    logged::Warnings,
};

/// The warnings of a test on one thread.
fn warnings_of<F: Future<Output = ()>>(test: impl FnOnce() -> F) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    });
    warnings.take()
}

fn is_one(warnings: &[String], texts: &[&str]) {
    let [warning] = warnings else { panic!("one: {warnings:?}") };
    for text in texts {
        assert!(warning.contains(text), "{warning} has no {text}");
    }
}

fn disk_full(w: &mut tower_fiber::axum::BodyWriter<'_>) -> io::Result<()> {
    w.write_all(b"half")?;
    Err(io::Error::other("disk full"))
}

#[test]
fn an_error_of_a_body() {
    for placement in [Placement::InPlace, Placement::SharedPool] {
        let warnings = warnings_of(|| async {
            let layer = FiberLayer::builder().name("downloads").placement(placement).build().unwrap();
            assert!(write_body_with(&layer, disk_full).collect().await.is_err());
        });
        is_one(&warnings, &["service=\"downloads\"", "error=disk full", "ends by an error"]);
    }
    is_one(&warnings_of(|| async { assert!(write_body(disk_full).collect().await.is_err()) }), &["disk_full"]);
}

#[test]
fn an_error_of_events() {
    fn events() -> impl Iterator<Item = io::Result<Event>> + Send {
        [Ok(Event::default().data("a")), Err(io::Error::other("feed lost"))].into_iter()
    }

    async fn fails(response: impl axum::response::IntoResponse) {
        assert!(response.into_response().into_body().collect().await.is_err());
    }

    let warnings = warnings_of(|| async {
        fails(sse_with(&FiberLayer::builder().name("feed").build().unwrap(), events())).await;
    });
    is_one(&warnings, &["service=\"feed\"", "error=feed lost"]);
    is_one(&warnings_of(|| fails(sse(events()))), &["error=feed lost"]);
}

#[test]
fn not_what_ends_well_or_has_lost_its_client() {
    let warnings = warnings_of(|| async {
        assert!(write_body(|w| w.write_all(b"whole")).collect().await.is_ok());
        let event = Ok::<_, Infallible>(Event::default());
        assert!(axum::response::IntoResponse::into_response(sse([event])).into_body().collect().await.is_ok());
        let layer = FiberLayer::new();
        let mut body = write_body_with(&layer, |w| {
            loop {
                w.write_all(&[0; 1024])?;
            }
        });
        body.frame().await.unwrap().unwrap();
        drop(body);
        layer.handle().drained().await;
        // Its reader has the error.
        let items: Vec<Result<u8, &str>> = fiber_stream(|_| Err("no items")).collect().await;
        assert_eq!(items, [Err("no items")]);
    });
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn an_error_that_is_no_fault_of_the_clients() {
    let app = Router::new().route("/", get(fiber(|| BodyError::from(io::Error::other("disk full")))));
    let warnings = warnings_of(|| async {
        assert_eq!(ask(&app, "/").await, (StatusCode::INTERNAL_SERVER_ERROR, String::new()));
    });
    is_one(&warnings, &["error=disk full", "500"]);
}

#[test]
fn an_upload_that_was_passed_over() {
    let app = Router::new().route("/", post(fiber(|body: BodyReader| drop(io::read_to_string(body)))));
    let warnings = warnings_of(|| async {
        let mut request = request(Method::POST, "/");
        let chunks = stream::iter([Err::<Bytes, _>(io::Error::other("the line is dead"))]);
        *request.body_mut() = Body::from_stream(chunks);
        assert_eq!(send(&app, request).await.0, StatusCode::BAD_REQUEST);
    });
    is_one(&warnings, &["an_upload_that_was_passed_over", "the line is dead", "returned 200", "take_error"]);
}
