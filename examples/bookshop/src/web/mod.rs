//! The shop's face: which address calls which function.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_fiber::FiberLayer;
use tower_fiber::axum::fiber_with;

use crate::legacy::Shop;

mod api;
mod error;
mod extract;
mod insight;
mod pages;

/// The layers of the shop's fibers: one for its pages, one for its API.
pub fn layers() -> [FiberLayer; 2] {
    ["pages", "api"].map(|name| FiberLayer::new().name(name).metrics())
}

/// The router over a shop. Its handlers are plain functions, each of which runs in a fiber of one of two
/// layers; `/healthz` and what tells of the layers are ordinary asynchronous handlers beside them.
///
/// # Panics
///
/// If the process has another recorder of metrics.
pub fn router(shop: Arc<Shop>, [pages, api]: &[FiberLayer; 2]) -> Router {
    insight::exporter();
    Router::new()
        .route("/", get(fiber_with(pages, pages::home)))
        .route("/search", get(fiber_with(pages, pages::search)))
        .route("/books/{id}", get(fiber_with(pages, pages::book)))
        .route("/orders", post(fiber_with(pages, pages::buy)))
        .route("/orders/{id}", get(fiber_with(pages, pages::order)))
        .route("/api/books", get(fiber_with(api, api::search)))
        .route("/api/books/{id}", get(fiber_with(api, api::book)))
        .route("/api/orders", post(fiber_with(api, api::place_order)))
        .route("/api/orders/{id}", get(fiber_with(api, api::order)))
        .route("/healthz", get(healthz))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shop)
        .merge(insight::router([pages, api]))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn nothing_here(uri: Uri) -> Response {
    let message = format!("there is nothing at {}", uri.path());
    refusal(&uri, StatusCode::NOT_FOUND, message)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}", uri.path());
    refusal(&uri, StatusCode::METHOD_NOT_ALLOWED, message)
}

/// In the format that the client expects: JSON below `/api`, else a page.
fn refusal(uri: &Uri, status: StatusCode, message: String) -> Response {
    let failure = error::Failure { status, message };
    if uri.path().starts_with("/api/") {
        error::ApiError(failure).into_response()
    } else {
        error::PageError(failure).into_response()
    }
}
