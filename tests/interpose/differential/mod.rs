//! The same calls in a fiber and on a thread have the same results and errors.

mod script;

use std::env;

use proptest::prelude::*;

use self::script::{Call, Kind, Meanwhile, Step, compare, run, script};
use super::both;
use crate::support::on_each_runtime;

/// Each case takes some time-outs, so there are fewer than usual.
fn config() -> ProptestConfig {
    let cases = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases: cases.min(200), failure_persistence: None, ..ProptestConfig::default() }
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
                assert_eq!(layer.run(move || run(Kind::Stream, &[step])).await, [Ok((1, 0))]);
            }
        }
    });
}
