//! Each call takes its own clone of the service.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower::Service;
use tower_fiber::FiberService;

#[derive(Debug, Clone)]
struct Answer;

impl Service<()> for Answer {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(42))
    }
}

fn main() {
    let _ = FiberService::new(Answer).call(());
}
