//! A handler takes the state of its router.

use axum::{Router, extract::State, routing::get};
use tower_fiber::axum::fiber;

fn count(State(n): State<u32>) -> String {
    n.to_string()
}

fn main() {
    let _: Router = Router::new().route("/", get(fiber(count))).with_state(1_u64);
}
