//! The extractor that takes the body is the last one.

use axum::http::Method;
use tower_fiber::axum::{FiberHandler, fiber};

fn echo(_: Method, _: String) -> String {
    "echo".to_owned()
}

fn main() {
    let _: FiberHandler<_, _, ()> = fiber(echo);
}
