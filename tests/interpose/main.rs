//! libc's blocking calls suspend the fibers of layers that ask for it, and no others.
#![cfg(all(feature = "interpose", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod descriptors;
mod differential;
mod never;
mod park;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tower_fiber::FiberLayer;

/// A layer whose fibers run in place, and one whose fibers run on one other thread.
fn both() -> [FiberLayer; 2] {
    support::both_with_one_worker(FiberLayer::builder().interpose())
}

/// Runs fifty calls at once on one thread, each of which takes `time` if it is alone.
async fn fifty(layer: &FiberLayer, time: Duration, f: impl Fn(usize) + Clone + Send + 'static) {
    let begun = Instant::now();
    join_all((0..50).map(|index| {
        let f = f.clone();
        layer.run(move || f(index))
    }))
    .await;
    let elapsed = begun.elapsed();
    // One after the other they would take fifty times as long.
    assert!(elapsed >= time && elapsed < time * 25, "{elapsed:?}");
}
