//! What each setting of a layer adds to the instructions of a call with one wait. A program of its own: cases that are
//! compiled together change each other's counts.

#![expect(missing_docs, reason = "what gungraun's macros make has none")]

use std::time::Duration;

use bench::drive::{in_task, one};
use gungraun::library_benchmark;
use instructions::{at_most, suspend};
use tower_fiber::{FiberLayer, FiberLayerBuilder, await_in_fiber};

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
#[bench::held(args = (held()), config = at_most(1341))]
#[bench::limited(args = (limited()), config = at_most(1496))]
#[bench::watched(args = (watched()), config = at_most(2120))]
#[bench::measured(args = (measured()), config = at_most(2238))]
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
