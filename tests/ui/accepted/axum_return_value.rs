//! What a function returns can be made into a response.

use tower_fiber::axum::{FiberHandler, fiber};

fn count() -> String {
    Default::default()
}

fn main() {
    let _: FiberHandler<_, _, ()> = fiber(count);
}
