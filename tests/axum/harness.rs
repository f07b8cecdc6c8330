//! Runtimes and requests.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use tokio::{
    runtime::{Builder, LocalOptions},
    time::timeout,
};
use tower::ServiceExt as _;
use tower_fiber::{WaitExt as _, in_fiber};

/// Runs a test on a current-thread runtime, on one as each core has, and on one with two workers. A test that hangs
/// fails.
pub(crate) fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let test = || async { timeout(Duration::from_secs(60), test()).await.expect("the test hangs") };
    println!("on a current-thread runtime");
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    println!("on a local runtime");
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test());
    println!("on a multi-thread runtime");
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test());
}

/// Synchronous code that cannot do without a fiber, and that suspends it.
pub(crate) fn waited<T>(value: T) -> T {
    assert!(in_fiber());
    tokio::task::yield_now().wait();
    value
}

pub(crate) async fn get(app: &Router, uri: &str) -> (StatusCode, String) {
    send(app, request(Method::GET, uri)).await
}

pub(crate) async fn send(app: &Router, request: Request) -> (StatusCode, String) {
    text(app.clone().oneshot(request).await.unwrap()).await
}

/// Gives the text of the panic that the request ends in.
///
/// # Panics
///
/// If there is a response instead.
pub(crate) async fn panic_of(app: &Router, uri: &str) -> String {
    let payload = AssertUnwindSafe(get(app, uri)).catch_unwind().await.unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

pub(crate) async fn text(response: Response) -> (StatusCode, String) {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn request(method: Method, uri: &str) -> Request {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

pub(crate) fn post(uri: &str, content_type: &str, body: &'static str) -> Request {
    Request::builder().method(Method::POST).uri(uri).header(CONTENT_TYPE, content_type).body(body.into()).unwrap()
}

pub(crate) fn ok(text: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::OK, text.into())
}
