//! Which address calls which function.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use tower_fiber::{FiberLayer, axum::fiber_with};

use crate::{bridge::RemoteRates, legacy::Prices};

/// The routes. Handlers by `fiber_with` are synchronous functions, each call of which runs in a fiber of `layer`;
/// others are async functions as always.
pub fn router(layer: &FiberLayer) -> Router {
    Router::new()
        .route("/prices/{cents}/{currency}", get(fiber_with(layer, price)))
        .route("/healthz", get(async || "ok"))
        .with_state(Arc::new(Prices::new(RemoteRates)))
}

fn price(
    State(prices): State<Arc<Prices<RemoteRates>>>,
    Path((cents, currency)): Path<(u32, String)>,
) -> Result<String, (StatusCode, String)> {
    match prices.convert(cents, &currency) {
        Ok(cents) => Ok(cents.to_string()),
        Err(error) => Err((StatusCode::NOT_FOUND, error.to_string())),
    }
}
