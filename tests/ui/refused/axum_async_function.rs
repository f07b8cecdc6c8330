//! A function that is async already needs no fiber of its own.

use tower_fiber::axum::{FiberHandler, fiber};

async fn hello() -> &'static str {
    "hello"
}

fn main() {
    let _: FiberHandler<_, _, ()> = fiber(hello);
}
