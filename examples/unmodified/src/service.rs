//! The axum service: each library's call as a handler in a fiber, and beside it on a blocking thread.

use std::{io::Write as _, time::Duration};

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::task::spawn_blocking;
use tower_fiber::{FiberLayer, axum::fiber_with, error::ConfigError, interpose};

use crate::{CALLERS, Call, Failure};

/// How long each request waits for its server.
pub const WAIT: Duration = Duration::from_millis(100);

/// A library by its name in the service's paths.
pub type Library = (&'static str, Call);

/// `/fiber/<library>` and `/blocking/<library>` for each, and `/calls`: how often libc's functions have waited. And the
/// layer of the fibers.
///
/// # Errors
///
/// If nothing can be interposed in this program.
pub fn router(libraries: &[Library]) -> Result<(Router, FiberLayer), ConfigError> {
    // No more fibers than r2d2 has connections: it lets a thread wait for the next one, not a fiber.
    let layer = FiberLayer::builder().name("unmodified").interpose().max_fibers(CALLERS).build()?;
    let mut router = Router::new().route("/calls", get(calls));
    for (name, call) in libraries {
        let in_fiber = call.clone();
        let on_thread = call.clone();
        router =
            router.route(&format!("/fiber/{name}"), get(fiber_with(&layer, move || answer(in_fiber(WAIT))))).route(
                &format!("/blocking/{name}"),
                get(async move || match spawn_blocking(move || on_thread(WAIT)).await {
                    Ok(outcome) => answer(outcome),
                    Err(error) => answer(Err(error.into())),
                }),
            );
    }
    Ok((router, layer))
}

fn answer(outcome: Result<(), Failure>) -> Response {
    match outcome {
        Ok(()) => "waited\n".into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

async fn calls() -> Vec<u8> {
    let mut text = Vec::new();
    for call in interpose::calls() {
        // A vector takes everything.
        _ = writeln!(text, "{} suspended {} fibers and blocked {} times", call.name, call.suspended, call.blocked);
    }
    text
}
