//! Plain functions as axum handlers (feature `axum`).
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, extract::Path, http::StatusCode, routing::get};
//! use tower_fiber::{WaitExt as _, axum::fiber};
//!
//! fn greet(Path(name): Path<String>) -> Result<String, StatusCode> {
//!     tokio::time::sleep(Duration::from_millis(1)).wait();
//!     if name.is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok(format!("hello {name}")) }
//! }
//!
//! async fn health() -> &'static str {
//!     "ok"
//! }
//!
//! let app: Router = Router::new().route("/greet/{name}", get(fiber(greet))).route("/health", get(health));
//! ```

mod future;
mod handler;
mod sync_handler;

pub use self::{
    future::HandlerFuture,
    handler::{FiberHandler, fiber, fiber_with},
    sync_handler::SyncHandler,
};
