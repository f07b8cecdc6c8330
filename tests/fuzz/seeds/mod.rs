//! Small scripts that mean something, from which the fuzzer starts.

use crate::driver::script::{
    Act, Awaited, Ending, FiberSetup, HookSetup, Host, Kind, LayerSetup, Operation, Phase, Policy, Program, Script,
    Source, Step, Steps, ValueSetup, WakerSetup,
};

mod foreign;
mod found;
mod limits;
mod nested;
mod placements;

const FINISH: u8 = 0;
const CANCEL: u8 = 1;
const UNWIND: u8 = 2;

/// By name. Layer 0 finishes, 1 cancels, 2 unwinds.
pub(crate) fn seeds() -> Vec<(&'static str, Script)> {
    let mut seeds = Vec::new();
    seeds.extend(nested::seeds());
    seeds.extend(foreign::seeds());
    seeds.extend(limits::seeds());
    seeds.extend(placements::seeds());
    seeds.extend(found::seeds());
    seeds
}

fn wait(gate: u8) -> Step {
    Step::Wait { awaited: Awaited { source: Source::Gate { gate }, ..Awaited::default() } }
}

fn attempt(gate: u8) -> Step {
    Step::Try { awaited: Awaited { source: Source::Gate { gate }, ..Awaited::default() } }
}

fn shield(steps: Steps) -> Step {
    Step::Shield { steps }
}

fn fiber(layer: u8, steps: Steps) -> FiberSetup {
    FiberSetup { layer, steps, ..FiberSetup::default() }
}

fn local(steps: Steps) -> FiberSetup {
    FiberSetup { kind: Kind::Local, steps, ..FiberSetup::default() }
}

fn start(fiber: FiberSetup) -> Operation {
    Operation::Start { fiber }
}

fn poll() -> Operation {
    Operation::Poll { call: 0, waker: WakerSetup::default() }
}

fn poll_by(waker: WakerSetup) -> Operation {
    Operation::Poll { call: 0, waker }
}

fn dropped(act: Act) -> ValueSetup {
    ValueSetup { dropped: act, ..ValueSetup::default() }
}

fn layers() -> [LayerSetup; 3] {
    [Policy::Finish, Policy::Cancel, Policy::Unwind].map(|policy| LayerSetup { policy, ..LayerSetup::default() })
}

fn limited(limit: u8) -> [LayerSetup; 3] {
    layers().map(|layer| LayerSetup { limit, ..layer })
}

fn script(operations: Vec<Operation>) -> Script {
    Script { layers: layers(), operations, ..Script::default() }
}
