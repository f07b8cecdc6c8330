//! Every argument is an extractor.

use axum::extract::Path;
use tower_fiber::axum::{FiberHandler, fiber};

fn show(id: u32) -> String {
    id.to_string()
}

fn main() {
    let _ = Path(0);
    let _: FiberHandler<_, _, ()> = fiber(show);
}
