//! Which address calls which function, and what is around them.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::json;
use tokio::sync::watch;
use tower_fiber::{
    FiberLayer, OnDrop,
    axum::{BodyReader, fiber, fiber_defaults, from_sync_fn_with_state, write_body},
    error::ConfigError,
};
use tower_fiber_diesel::SqlitePool;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

use crate::{
    auth,
    failure::Failure,
    hooks::opentelemetry::OpenTelemetry,
    insight,
    legacy::{ASKED, USER, csv_files, stock, supplier::Supplier},
    live,
};

/// How long a request may take until its response begins.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest upload, in bytes.
const UPLOAD: usize = 16 << 20;

pub(crate) struct Shop {
    pub(crate) pool: SqlitePool,
    pub(crate) supplier: Supplier,
    /// How many uploads there were.
    pub(crate) changes: watch::Sender<u64>,
}

/// The settings of all fibers.
pub(crate) fn layer() -> Result<FiberLayer, ConfigError> {
    FiberLayer::builder()
        .name("service")
        .max_fibers(256) // also counts calls whose client has gone; others wait in line
        .on_drop(OnDrop::Cancel) // when a client has gone, `try_await_in_fiber`, ureq and the pool fail
        .carry(&USER)
        .hook(OpenTelemetry)
        .metrics()
        .detect_blocking(Duration::from_millis(500))
        .build()
}

pub(crate) fn router(shop: Arc<Shop>, layer: &FiberLayer) -> Router {
    Router::new()
        .route("/items/{id}", get(fiber(item)))
        .route("/items.csv", get(fiber(download)).post(fiber(upload)).layer(DefaultBodyLimit::max(UPLOAD)))
        .route("/changes", get(fiber(live::changes)))
        .route("/live", any(fiber(live::questions)))
        .layer(from_fn(auth::scope))
        .route_layer(from_sync_fn_with_state(Arc::clone(&shop), auth::authenticate))
        .with_state(shop)
        .merge(insight::router(layer))
        .fallback(async |uri: Uri| Failure::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path())))
        .layer(fiber_defaults(layer))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(insight::number))
}

impl Shop {
    /// An item and its price, as JSON.
    pub(crate) fn describe(&self, id: i32) -> Result<String, Failure> {
        let item = self.pool.with(move |conn| stock::find(conn, id))??;
        let item = item.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("there is no item {id}")))?;
        let price = self.supplier.price(id)?;
        Ok(json!({ "item": item, "price": price }).to_string())
    }
}

fn item(State(shop): State<Arc<Shop>>, Path(id): Path<i32>) -> Result<Response, Failure> {
    let item = shop.describe(id)?;
    let asked = ASKED.with(|asked| asked.get().to_string());
    Ok(([(CONTENT_TYPE.as_str(), "application/json"), ("x-asked", &asked)], item).into_response())
}

fn download(State(shop): State<Arc<Shop>>) -> impl IntoResponse {
    let body = write_body(move |file| {
        csv_files::write(file, |after| {
            let page = shop.pool.with(move |conn| stock::page(conn, after)).map_err(io::Error::other)?;
            page.map_err(io::Error::other)
        })
    });
    ([(CONTENT_TYPE, "text/csv; charset=utf-8")], body)
}

/// Half an upload changes nothing: its reader fails.
fn upload(State(shop): State<Arc<Shop>>, body: BodyReader) -> Result<String, Failure> {
    let rows = csv_files::read(body)?;
    let count = shop.pool.with(move |conn| stock::import(conn, rows))??;
    shop.changes.send_modify(|changes| *changes += 1);
    Ok(format!("{count} items\n"))
}
