//! Synchronous functions as axum handlers (feature `axum`).
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
//!
//! With the feature `ws`, synchronous functions can also serve websockets: see `SyncWebSocket`.

mod blocking;
mod body;
mod extract;
mod future;
mod handler;
mod middleware;
mod sync_handler;
#[cfg(feature = "ws")]
mod ws;

/// The parts of the handlers' types, so that a struct's field can name such a type. The traits cannot be implemented
/// outside this crate.
pub mod parts {
    pub use super::{
        extract::{Extract, NoArguments},
        future::Begin,
        handler::{Defaults, OfLayer, Running},
    };
}

#[cfg(feature = "ws")]
pub use self::ws::{SendError, SyncWebSocket, WebSocketEnd, WebSocketHandler, WebSocketSender, WebSocketUpgradeExt};
pub use self::{
    blocking::{BlockingHandler, blocking, blocking_with},
    body::{BodyError, BodyReader, BodyWriter, sse, sse_with, write_body, write_body_with},
    future::HandlerFuture,
    handler::{FiberHandler, fiber, fiber_with},
    middleware::{
        FromSyncFn, FromSyncFnLayer, MiddlewareFuture, Next, SyncMiddleware, from_sync_fn, from_sync_fn_with,
        from_sync_fn_with_state,
    },
    sync_handler::SyncHandler,
};
