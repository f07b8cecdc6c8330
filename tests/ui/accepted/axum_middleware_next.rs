//! Middleware for `from_sync_fn` ends its arguments with the crate's `Next`.

use axum::extract::Request;
use tower_fiber::axum::{Next, from_sync_fn};

fn pass(_: Request, _: Next) -> &'static str {
    "hello"
}

fn main() {
    let _ = from_sync_fn(pass);
}
