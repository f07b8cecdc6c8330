//! What each setting of a layer adds to the instructions of a call with one wait. A program of its own: cases that are
//! compiled together change each other's counts.

#![expect(missing_docs, reason = "what gungraun's macros make has none")]

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use bench::drive::{in_task, one};
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark};
use tower_fiber::{FiberLayer, FiberLayerBuilder, await_in_fiber};

/// What was counted, plus 2 %.
fn at_most(counted: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, counted + counted / 50)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// A future that is pending once, and wakes nobody.
fn suspend() -> impl Future<Output = ()> + Send + Unpin {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// A call in a layer that is held. It has run before.
fn call(builder: FiberLayerBuilder) -> Box<dyn FnMut()> {
    let layer = builder.build().expect("valid settings");
    let mut warm: Box<dyn FnMut()> = Box::new(move || one(layer.run(|| await_in_fiber(suspend()))));
    (0..20).for_each(|_| warm());
    warm
}

fn held() -> Box<dyn FnMut()> {
    call(FiberLayer::builder())
}

fn limited() -> Box<dyn FnMut()> {
    call(FiberLayer::builder().max_fibers(100))
}

fn watched() -> Box<dyn FnMut()> {
    call(FiberLayer::builder().detect_blocking(Duration::from_millis(100)))
}

fn measured() -> Box<dyn FnMut()> {
    call(FiberLayer::builder().name("orders").metrics())
}

#[library_benchmark]
#[bench::held(args = (held()), config = at_most(1329))]
#[bench::limited(args = (limited()), config = at_most(2163))]
#[bench::watched(args = (watched()), config = at_most(2830))]
#[bench::measured(args = (measured()), config = at_most(2909))]
fn count(mut call: Box<dyn FnMut()>) -> Box<dyn FnMut()> {
    call();
    // Given back, so that its end is not counted.
    call
}

mod harness {
    use gungraun::library_benchmark_group;

    use super::count;

    library_benchmark_group!(name = settings, benchmarks = count);
    gungraun::main!(library_benchmark_groups = settings);

    pub(super) fn run() {
        main();
    }
}

fn main() {
    in_task(harness::run);
}
