//! libc's blocking calls suspend the fibers of layers that ask for it, and no others.
#![cfg(all(feature = "interpose", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/system.rs"]
mod system;

mod crowd;
mod descriptors;
mod differential;
mod never;
mod park;

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::unistd::gettid;
use tower_fiber::FiberLayer;

use crate::system::is_asleep;

/// A layer whose fibers run in place, and one whose fibers run on one other thread.
fn both() -> [FiberLayer; 2] {
    support::both_with_one_worker(FiberLayer::builder().interpose())
}

/// Does something on another thread as soon as a condition holds.
fn when<R: Send + 'static>(
    condition: impl Fn() -> bool + Send + 'static,
    f: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    thread::spawn(move || {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < Duration::from_secs(120), "it did not come true in two minutes");
            thread::yield_now();
        }
        f()
    })
}

/// As soon as so many calls have had to wait in fibers of the layer.
fn when_waiting<R: Send + 'static>(
    layer: &FiberLayer,
    calls: u64,
    f: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    let handle = layer.handle();
    when(move || handle.counters().interposed_waits >= calls, f)
}

/// As soon as this thread waits for something, in the kernel or in its runtime.
fn when_asleep<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    let thread = gettid().as_raw();
    when(move || is_asleep(thread), f)
}
