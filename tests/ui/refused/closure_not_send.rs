//! A closure that is not `Send` stays on its thread.

use std::rc::Rc;

#[allow(unused_imports, reason = "each twin uses one")]
use tower_fiber::{run_in_fiber, run_local};

fn main() {
    let shared = Rc::new(1);
    let _ = run_in_fiber(move || *shared);
}
