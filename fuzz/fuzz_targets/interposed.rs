//! Makes the calls that the fuzzer's bytes say on a thread and in a fiber, and compares what they return.

#![no_main]

use std::{process::abort, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tower_fiber::FiberLayer;

#[path = "../../tests/interpose/differential/script.rs"]
mod script;
#[path = "../../tests/support/system.rs"]
mod system;

fuzz_target!(|bytes: &[u8]| {
    static LAYER: OnceLock<FiberLayer> = OnceLock::new();
    let layer = LAYER.get_or_init(|| FiberLayer::builder().interpose().build().unwrap());
    let random = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let Ok(tree) = script::script().new_tree(&mut runner) else { return };
    let (kind, steps) = tree.current();
    if let Err(difference) = script::compare(layer, kind, &steps) {
        eprintln!("{kind:?} {steps:?}: {difference}");
        abort();
    }
});
