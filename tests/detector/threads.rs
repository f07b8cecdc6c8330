//! Threads that end while they are looked at.

use std::{
    hint::spin_loop,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::harness::warnings;

/// A thread with a layer of its own, so that each may warn and is asked where it is. It ends as soon as it has been
/// seen.
fn is_seen_and_ends() {
    let layer = FiberLayer::builder().name("brief").detect_blocking(Duration::from_millis(1)).build().unwrap();
    let handle = layer.handle();
    let begun = Instant::now();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(layer.run(move || {
        yield_now().wait();
        while handle.counters().blocked == 0 {
            assert!(begun.elapsed() < Duration::from_secs(120), "it was not seen in two minutes");
            spin_loop();
        }
    }));
}

#[test]
fn threads_that_end_when_they_have_been_seen() {
    warnings();
    for _ in 0..25 {
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(is_seen_and_ends)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
