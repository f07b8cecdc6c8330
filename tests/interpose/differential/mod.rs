//! The same calls in a fiber and on a thread have the same results and errors.

mod script;
mod strategy;

use std::env;

use proptest::{prelude::*, test_runner::RngSeed};

use self::{
    script::{Call, Kind, Meanwhile, Step, compare, run},
    strategy::script,
};
use super::both;
use crate::support::on_each_runtime;

/// Each case takes some time-outs, so there are fewer than usual. They are the same in each run, unless
/// `PROPTEST_RNG_SEED` is set; the fuzzer looks for others.
fn config() -> ProptestConfig {
    let cases = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let default = ProptestConfig::default();
    let rng_seed = if default.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { default.rng_seed };
    ProptestConfig { cases: cases.min(200), rng_seed, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn calls_return_the_same((kind, steps) in script()) {
        for layer in both() {
            compare(&layer, kind, &steps).map_err(TestCaseError::fail)?;
        }
    }
}

#[test]
fn it_waits_in_fibers() {
    on_each_runtime(|| async {
        for layer in both() {
            // On a slow machine the byte may be there before the call begins, now and then.
            let mut tries = 0..100;
            while layer.handle().counters().interposed_waits == 0 {
                assert!(tries.next().is_some());
                let step = Step { end: 0, call: Call::Read(1), meanwhile: Meanwhile::Writes(1) };
                assert_eq!(layer.run(move || run(Kind::Stream, &[step], 1_000)).await, [Ok((1, 0))]);
            }
        }
    });
}
