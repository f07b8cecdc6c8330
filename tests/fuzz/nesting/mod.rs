//! `shield`, `join`, `race` and `FuturesUnordered` in each other, under each policy and in each place, polled in vain,
//! dropped and cancelled at each point: shielded sections end, inner fibers go before outer ones, and nothing is lost.
//!
//! What is checked is in `tests/fuzz/driver`: who was cut, each value that was made, the public counters.

mod each;
mod random;

use crate::driver::{
    self,
    script::{Awaited, FiberSetup, Host, LayerSetup, Operation, Policy, Script, Source, Step, Steps, WakerSetup},
};

const POLICIES: [Policy; 3] = [Policy::Finish, Policy::Cancel, Policy::Unwind];
const IN_PLACE: [Host; 2] = [Host::Task, Host::Block];

fn wait(gate: u8) -> Step {
    Step::Wait { awaited: Awaited { source: Source::Gate { gate }, ..Awaited::default() } }
}

fn attempt(gate: u8) -> Step {
    Step::Try { awaited: Awaited { source: Source::Gate { gate }, ..Awaited::default() } }
}

fn shielded(steps: Steps) -> Step {
    Step::Shield { steps }
}

/// A fiber of the layer with that policy.
fn fiber(policy: Policy, steps: Steps) -> FiberSetup {
    FiberSetup { layer: policy as u8, steps, ..FiberSetup::default() }
}

fn poll() -> Operation {
    Operation::Poll { call: 0, waker: WakerSetup::default() }
}

/// With one layer of each policy.
fn script(host: Host, operations: Vec<Operation>) -> Script {
    let layers = POLICIES.map(|policy| LayerSetup { policy, ..LayerSetup::default() });
    Script { host, layers, operations, ..Script::default() }
}

fn assert_whole(script: &Script) {
    driver::run_whole(script).unwrap_or_else(|failures| panic!("{failures}"));
}
