//! A request may outlive its caller, so it borrows nothing.

use std::convert::Infallible;

use tower::Service;
use tower_fiber::{FiberService, sync_fn};

fn length(request: &str) -> Result<usize, Infallible> {
    Ok(request.len())
}

fn call(request: &'static str) {
    let _ = FiberService::new(sync_fn(length)).call(request);
}

fn main() {
    call("text");
}
