//! Random fibers and random events, against a model that is plain data.
//!
//! In place everything is predicted: what each fiber does and in which order, its outcome, each counter, each
//! destructor. On the pool the order is not known, so what must hold in any order is checked.

mod machine;
mod pooled;
mod script;
mod shared;
mod world;

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use script::{Ending, Operation};

/// `PROPTEST_CASES` sets another number.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    // What fails is printed; regressions become tests with a name.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn in_place_all_is_as_the_model_says() {
    let operations = vec(Operation::any(), 1..25);
    TestRunner::new(cases(10_000))
        .run(&(operations, Ending::any()), |(operations, ending)| {
            world::compare(&operations, ending);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn on_the_pool_nothing_is_lost() {
    let pools = pooled::Pools::new();
    let operations = vec(Operation::any(), 1..25);
    TestRunner::new(cases(1_000))
        .run(&(operations, Ending::any()), |(operations, ending)| {
            pools.check(&operations, ending);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
