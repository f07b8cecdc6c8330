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
//! With the feature `ws`, synchronous functions can also serve websockets: see `SyncWebSocket`. With the
//! feature `insight`, `insight_routes` shows where fibers wait.

mod blocking;
mod body;
mod defaults;
mod extract;
mod future;
mod handler;
#[cfg(feature = "insight")]
mod insight;
mod middleware;
mod serve;
mod silence;
mod sync_handler;
#[cfg(feature = "ws")]
mod ws;

/// The parts of the handlers' types, so that a struct's field can name such a type. The traits cannot be implemented
/// outside this crate.
pub mod parts {
    pub use super::{
        defaults::{Defaults, HandlerSettings, OfLayer},
        extract::{Extract, NoArguments},
        future::Begin,
        handler::Running,
    };
}

#[cfg(feature = "insight")]
pub use self::insight::{insight_routes, insight_routes_of_all_layers};
#[cfg(feature = "ws")]
pub use self::ws::{
    SendError, SyncWebSocket, WebSocketEnd, WebSocketHandler, WebSocketSender, WebSocketUpgradeExt, WithHeartbeat,
};
pub use self::{
    blocking::{BlockingHandler, blocking, blocking_with},
    body::{BodyError, BodyReader, BodyWriter, sse, sse_with, write_body, write_body_with},
    defaults::fiber_defaults,
    future::HandlerFuture,
    handler::{FiberHandler, fiber, fiber_with},
    middleware::{
        CallerGone, FromSyncFn, FromSyncFnLayer, MiddlewareFuture, Next, SyncMiddleware, from_sync_fn,
        from_sync_fn_with, from_sync_fn_with_state,
    },
    serve::{Serve, Stopping, serve},
    sync_handler::SyncHandler,
};
