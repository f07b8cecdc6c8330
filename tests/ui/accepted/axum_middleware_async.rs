//! Middleware for `from_sync_fn`.

use axum::{extract::Request, response::Response};
use tower_fiber::axum::{Next, from_sync_fn};

fn pass(request: Request, next: Next) -> Response {
    next.run(request)
}

fn main() {
    let _ = from_sync_fn(pass);
}
