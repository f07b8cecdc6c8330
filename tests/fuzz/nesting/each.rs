//! Each combination of two fibers side by side, once.

use super::{IN_PLACE, POLICIES, assert_whole, attempt, fiber, poll, script, shielded, wait};
use crate::driver::script::{Act, Ending, FiberSetup, Host, Kind, Operation, Policy, Script, Step, Steps};

/// What a fiber inside does.
fn children() -> [Steps; 5] {
    let section = || shielded(vec![wait(0), wait(1)]);
    [vec![], vec![wait(0)], vec![attempt(0)], vec![section()], vec![section(), wait(2)]]
}

/// Two side by side, the way in which they are waited for, in a fiber of a layer with that policy.
fn combined(policy: Policy, first: &Steps, second: &Steps) -> [Step; 6] {
    let both = || vec![first.clone(), second.clone()];
    let fibers = |kind: Kind| {
        let setups = [first, second].map(|steps| fiber(policy, steps.clone()));
        setups.map(|setup| FiberSetup { kind, ..setup }).to_vec()
    };
    [
        Step::Join { children: both() },
        Step::Race { limit: 1, children: both() },
        Step::Race { limit: 2, children: both() },
        Step::Unordered { take: 2, children: fibers(Kind::Local) },
        Step::Unordered { take: 2, children: fibers(Kind::Layer) },
        Step::Unordered { take: 1, children: fibers(Kind::Layer) },
    ]
}

/// What becomes of the call.
fn events(policy: Policy) -> [Vec<Operation>; 4] {
    let cancel = Operation::Act { act: Act::CancelAll { layer: policy as u8 } };
    [
        vec![Operation::Drop { call: 0 }, Operation::Idle],
        vec![Operation::DropPanicking { call: 0 }, Operation::Idle],
        vec![cancel.clone(), poll()],
        vec![cancel, Operation::Drop { call: 0 }, Operation::Idle],
    ]
}

fn each(hosts: &[Host]) {
    for &host in hosts {
        for policy in POLICIES {
            for first in &children() {
                for second in &children() {
                    for step in combined(policy, first, second) {
                        for event in events(policy) {
                            balanced(host, policy, &step, &event);
                        }
                    }
                }
            }
        }
    }
}

/// With polls in vain before and after what happens, and the gates opened in the one and the other order.
fn balanced(host: Host, policy: Policy, step: &Step, event: &[Operation]) {
    for gates in [[0, 1, 2], [1, 0, 2]] {
        for in_vain in 0..3 {
            let mut operations = vec![Operation::Start { fiber: fiber(policy, vec![step.clone()]) }, poll()];
            operations.extend((0..in_vain).map(|_| poll()));
            operations.extend(event.iter().cloned());
            for gate in gates {
                operations.extend((0..in_vain).map(|_| poll()));
                operations.extend([Operation::Open { gate }, Operation::Idle, poll()]);
            }
            let ending = if in_vain == 1 { Ending::Drop } else { Ending::Await };
            assert_whole(&Script { ending, ..script(host, operations) });
        }
    }
}

#[test]
fn in_place_nothing_is_lost() {
    each(&IN_PLACE);
}

#[test]
fn on_the_pool_nothing_is_lost() {
    each(&[Host::Pool]);
}
