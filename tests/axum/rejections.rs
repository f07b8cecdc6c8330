//! Extractors that reject a request answer as in an async handler, before a stack is taken.
//!
//! The requests here are polled once, outside a runtime: a call that took a stack would panic there.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request},
    http::{Method, StatusCode},
    routing::{get, post},
};
use futures_util::FutureExt as _;
use serde::Deserialize;
use tower_fiber::{
    Counters, FiberLayer,
    axum::{fiber, fiber_with},
};

use crate::harness::{self, request, send};

#[derive(Deserialize)]
struct Order {
    quantity: u32,
}

fn quantity(order: Order) -> String {
    order.quantity.to_string()
}

/// The same extractors before plain functions and before async ones.
fn apps(layer: &FiberLayer) -> [Router; 2] {
    let limit = DefaultBodyLimit::max(64);
    let fibers = Router::new()
        .route("/json", post(fiber_with(layer, |Json(order): Json<Order>| quantity(order))))
        .route("/query", get(fiber_with(layer, |Query(order): Query<Order>| quantity(order))))
        .route("/path/{n}", get(fiber_with(layer, |Path(n): Path<u32>| n.to_string())))
        .route("/two/{n}", post(fiber_with(layer, |Path(_): Path<u32>, Json(order): Json<Order>| quantity(order))))
        .layer(limit);
    let asyncs = Router::new()
        .route("/json", post(async |Json(order): Json<Order>| quantity(order)))
        .route("/query", get(async |Query(order): Query<Order>| quantity(order)))
        .route("/path/{n}", get(async |Path(n): Path<u32>| n.to_string()))
        .route("/two/{n}", post(async |Path(_): Path<u32>, Json(order): Json<Order>| quantity(order)))
        .layer(limit);
    [fibers, asyncs]
}

/// What plain functions answer, which is what async ones answer.
#[track_caller]
fn rejected(request: impl Fn() -> Request) -> StatusCode {
    let layer = FiberLayer::new();
    let [plain, as_async] = apps(&layer).map(|app| send(&app, request()).now_or_never().expect("no wait"));
    assert_eq!(plain, as_async);
    assert!(!plain.1.is_empty(), "axum says why");
    assert_eq!(layer.handle().counters(), Counters::default());
    plain.0
}

#[test]
fn malformed() {
    assert_eq!(rejected(|| harness::post("/json", "application/json", "{")), StatusCode::BAD_REQUEST);
    assert_eq!(rejected(|| request(Method::GET, "/query?quantity=x")), StatusCode::BAD_REQUEST);
    assert_eq!(rejected(|| request(Method::GET, "/path/x")), StatusCode::BAD_REQUEST);
}

#[test]
fn of_another_media_type() {
    let text = || harness::post("/json", "text/plain", r#"{"quantity":1}"#);
    assert_eq!(rejected(text), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn of_another_shape() {
    let text = || harness::post("/json", "application/json", r#"{"quantity":-1}"#);
    assert_eq!(rejected(text), StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn too_large() {
    const LARGE: &str = r#"{"quantity":1,"why":"0123456789 0123456789 0123456789 0123456789 0123456789"}"#;
    assert_eq!(rejected(|| harness::post("/json", "application/json", LARGE)), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn by_the_first_extractor() {
    let text = || harness::post("/two/x", "text/plain", "{");
    assert_eq!(rejected(text), StatusCode::BAD_REQUEST);
}

#[test]
#[should_panic(expected = "outside a tokio runtime")]
fn what_is_not_rejected_takes_a_stack() {
    let app: Router = Router::new().route("/", get(fiber(|| "hello")));
    _ = send(&app, request(Method::GET, "/")).now_or_never();
}
