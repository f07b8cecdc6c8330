//! There are at most 16 arguments.

use axum::http::Method as M;
use tower_fiber::axum::{FiberHandler, fiber};

fn many(_: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M) {}

fn main() {
    let _: FiberHandler<_, _, ()> = fiber(many);
}
