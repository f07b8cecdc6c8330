//! What a function returns can be made into a response.

use tower_fiber::axum::{FiberHandler, fiber};

fn count() -> u32 {
    Default::default()
}

fn main() {
    let _: FiberHandler<_, _, ()> = fiber(count);
}
