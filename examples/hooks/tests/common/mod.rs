//! Fifty callers on one thread.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::runtime::Builder;
use tower_fiber::FiberLayer;

/// Callers at the same time.
pub(crate) const CALLERS: usize = 50;

/// How long the server lets each of them wait.
const WAIT: Duration = Duration::from_secs(1);

/// Runs a future on a runtime of one thread.
pub(crate) fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// `call(caller, wait)` is synchronous and waits for a server for at least `wait`. Asserts that fifty at once, in
/// fibers of this thread, take no more than five times as long as one of them alone and the work of all of them, which
/// is what fifty take that do not wait. One after the other they would take fifty times as long as one.
pub(crate) async fn overlap(call: impl Fn(usize, Duration) + Clone + Send + 'static) {
    // What is made at the first use, such as connections in a pool, is neither.
    timed(CALLERS, Duration::ZERO, &call).await;
    let work = timed(CALLERS, Duration::ZERO, &call).await;
    let single = timed(1, WAIT, &call).await;
    let all = timed(CALLERS, WAIT, &call).await;
    assert!(single >= WAIT, "a single call took {single:?} and did not wait");
    assert!(
        all <= (single + work) * 5,
        "calls do not overlap: {all:?} for {CALLERS}, {single:?} for one, {work:?} of work"
    );
}

async fn timed(callers: usize, wait: Duration, call: &(impl Fn(usize, Duration) + Clone + Send + 'static)) -> Duration {
    let layer = FiberLayer::new();
    let start = Instant::now();
    join_all((0..callers).map(|caller| {
        let call = call.clone();
        layer.run(move || call(caller, wait))
    }))
    .await;
    start.elapsed()
}
