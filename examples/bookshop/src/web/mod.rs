//! The shop's face: which address calls which function.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_fiber::axum::fiber;

use crate::legacy::Shop;

mod api;
mod error;
mod extract;
mod pages;

/// The router over a shop. Its handlers are plain functions, each of which runs in a fiber; `/healthz`
/// is an ordinary asynchronous handler beside them.
pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(fiber(pages::home)))
        .route("/search", get(fiber(pages::search)))
        .route("/books/{id}", get(fiber(pages::book)))
        .route("/orders", post(fiber(pages::buy)))
        .route("/orders/{id}", get(fiber(pages::order)))
        .route("/api/books", get(fiber(api::search)))
        .route("/api/books/{id}", get(fiber(api::book)))
        .route("/api/orders", post(fiber(api::place_order)))
        .route("/api/orders/{id}", get(fiber(api::order)))
        .route("/healthz", get(healthz))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shop)
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

/// In the language of whoever asks: JSON below `/api`, else a page.
fn refusal(uri: &Uri, status: StatusCode, message: String) -> Response {
    let failure = error::Failure { status, message };
    if uri.path().starts_with("/api/") {
        error::ApiError(failure).into_response()
    } else {
        error::PageError(failure).into_response()
    }
}
