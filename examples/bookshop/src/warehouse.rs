//! The supplier: a second server, written in ordinary asynchronous code.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};

use crate::legacy::{Quote, sample};

/// A warehouse that answers `GET /quotes/{book_id}`, each time after `latency`.
pub fn router(latency: Duration) -> Router {
    Router::new().route("/quotes/{book_id}", get(quote)).with_state(latency)
}

async fn quote(State(latency): State<Duration>, Path(book_id): Path<i32>) -> Result<Json<Quote>, StatusCode> {
    tokio::time::sleep(latency).await;
    if !(1..=sample::BOOKS).contains(&book_id) {
        return Err(StatusCode::NOT_FOUND);
    }
    // A little below the price on the cover.
    let price_cents = sample::list_price_cents(book_id) * (80 + book_id * 7 % 16) / 100;
    Ok(Json(Quote { book_id, price_cents, available: book_id * 31 % 40 }))
}
