//! Functions for `blocking` are plain.

use tower_fiber::axum::{BlockingHandler, blocking};

fn hello() -> &'static str {
    "hello"
}

fn main() {
    let _: BlockingHandler<_, _, ()> = blocking(hello);
}
