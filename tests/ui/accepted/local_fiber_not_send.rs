//! A local fiber never leaves its thread.

#[allow(unused_imports, reason = "each twin uses one")]
use tower_fiber::{run_in_fiber, run_local};

fn is_send(_: impl Send) {}

fn main() {
    is_send(run_in_fiber(|| ()));
}
