//! Fifty callers on one thread.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{runtime::Builder, time::timeout};
use tower_fiber::{FiberLayer, FiberLayerBuilder, FiberPool};
use unmodified::{CALLERS, Call};

/// How long each caller waits for its server.
const WAIT: Duration = Duration::from_millis(300);

/// Long, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(120);

/// Layers of unmodified code: in place on the caller's thread, and on one thread of a pool.
pub(crate) fn both() -> [FiberLayer; 2] {
    let pool = FiberPool::builder().worker_threads(1).build().expect("a pool");
    [builder(), builder().placement(pool)].map(|builder| builder.build().expect("it is interposed"))
}

pub(crate) fn builder() -> FiberLayerBuilder {
    FiberLayer::builder().interpose().max_fibers(CALLERS)
}

/// Runs a future on a runtime of one thread, and fails if it hangs.
pub(crate) fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async { timeout(LONG, future).await.expect("the test hangs") });
    // A thread may still wait.
    runtime.shutdown_background();
    done
}

/// Asserts that fifty calls at once on one thread take at most a third of what they take one after the other, on
/// either layer.
pub(crate) fn overlap(call: &Call) {
    on_one_thread(async {
        for layer in both() {
            // What is made at the first use, such as connections that are kept, counts for neither.
            at_once(&layer, CALLERS, Duration::ZERO, call).await;
            let one = at_once(&layer, 1, WAIT, call).await;
            let all = at_once(&layer, CALLERS, WAIT, call).await;
            assert!(one >= WAIT, "a call took {one:?} and did not wait");
            let most = one * CALLERS.try_into().expect("a few") / 3;
            assert!(all <= most, "calls do not overlap: {all:?} for {CALLERS}, {one:?} for one");
            let waits = layer.handle().counters().interposed_waits;
            assert!(waits >= CALLERS as u64, "only {waits} waits were interposed");
        }
    });
}

/// How long so many calls take together.
pub(crate) async fn at_once(layer: &FiberLayer, callers: usize, wait: Duration, call: &Call) -> Duration {
    let begun = Instant::now();
    join_all((0..callers).map(|_| {
        let call = call.clone();
        layer.run(move || call(wait).unwrap_or_else(|error| panic!("{error}")))
    }))
    .await;
    begun.elapsed()
}
