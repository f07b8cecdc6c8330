//! Fibers in fibers in fibers, at random.

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};

use super::{IN_PLACE, POLICIES, assert_whole, attempt, fiber, poll, script, shielded, wait};
use crate::driver::script::{Act, Ending, FiberSetup, Host, Kind, Operation, Policy, Script, Step, Steps, ValueSetup};

const GATES: u8 = 4;

fn step() -> impl Strategy<Value = Step> {
    let leaf = prop_oneof![
        4 => (0..GATES).prop_map(wait),
        2 => (0..GATES).prop_map(attempt),
        1 => Just(Step::Yield),
        1 => Just(Step::Ready { times: 130 }),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let steps = || vec(inner.clone(), 0..3);
        let fibers = || vec((select(&POLICIES), steps()).prop_map(|(policy, steps)| fiber(policy, steps)), 1..4);
        let locals = || vec(steps().prop_map(local), 1..4);
        prop_oneof![
            3 => vec(inner.clone(), 1..3).prop_map(shielded),
            1 => steps().prop_map(|steps| Step::Hold { value: ValueSetup::default(), steps }),
            1 => (select(&POLICIES), steps()).prop_map(|(policy, steps)| Step::Nest { fiber: fiber(policy, steps) }),
            1 => steps().prop_map(|steps| Step::Nest { fiber: local(steps) }),
            2 => vec(steps(), 1..4).prop_map(|children| Step::Join { children }),
            2 => (0..3_u8, vec(steps(), 1..4)).prop_map(|(limit, children)| Step::Race { limit, children }),
            2 => (0..4_u8, fibers()).prop_map(|(take, children)| Step::Unordered { take, children }),
            // All of them: one that is dropped in a shield cannot go on anywhere.
            1 => locals().prop_map(|children| Step::Unordered { take: children.len() as u8, children }),
            1 => (0..4_u8, fibers()).prop_map(|(manner, children)| Step::Select { manner: manner % 3, children }),
        ]
    })
}

fn local(steps: Steps) -> FiberSetup {
    FiberSetup { kind: Kind::Local, ..fiber(Policy::Finish, steps) }
}

fn operation() -> impl Strategy<Value = Operation> {
    let start = (select(&POLICIES), vec(step(), 1..4));
    prop_oneof![
        3 => start.prop_map(|(policy, steps)| Operation::Start { fiber: fiber(policy, steps) }),
        8 => (0..4_u8).prop_map(|call| match poll() {
            Operation::Poll { waker, .. } => Operation::Poll { call, waker },
            other => other,
        }),
        4 => (0..GATES).prop_map(|gate| Operation::Open { gate }),
        2 => (0..4_u8).prop_map(|call| Operation::Drop { call }),
        1 => (0..4_u8).prop_map(|call| Operation::DropPanicking { call }),
        1 => (0..4_u8).prop_map(|call| Operation::DropElsewhere { call }),
        2 => (0..3_u8).prop_map(|layer| Operation::Act { act: Act::CancelAll { layer } }),
        3 => Just(Operation::Idle),
        1 => Just(Operation::Advance { millis: 20 }),
    ]
}

fn scripts(hosts: &'static [Host]) -> impl Strategy<Value = Script> {
    let endings = [Ending::Await, Ending::Drop, Ending::DropPanicking, Ending::Cancel];
    let scripts = (select(hosts), select(endings.to_vec()), vec(operation(), 1..30));
    scripts.prop_map(|(host, ending, operations)| Script { ending, ..script(host, operations) })
}

/// `PROPTEST_CASES` sets another number.
fn check(usual: u32, hosts: &'static [Host]) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&scripts(hosts), |script| {
            assert_whole(&script);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{}: {failure}", crate::driver::LOUD));
}

#[test]
fn in_place_nothing_is_lost() {
    check(3_000, &IN_PLACE);
}

#[test]
fn on_the_pool_nothing_is_lost() {
    check(300, &[Host::Pool]);
}
