//! What a script says: layers, calls, what their code does, and what happens to them.
//!
//! A number names a gate, a layer, a call or a service: modulo how many there are.

use tower_fiber::OnDrop;

use super::bytes::{Code, Reader, code};
pub(crate) use super::host::Host;

/// Gates that fibers wait for.
pub(crate) const GATES: usize = 4;

/// Layers of a script.
pub(crate) const LAYERS: usize = 3;

/// Most operations of a script.
const OPERATIONS: usize = 60;

pub(crate) type Steps = Vec<Step>;

code! {
    /// How all ends.
    #[derive(Copy, Eq, Default)]
    enum Ending {
        /// All gates are opened, and all calls awaited.
        #[default]
        Await,
        /// All calls are dropped, then all gates opened.
        Drop,
        /// The same, while the thread panics.
        DropPanicking,
        /// All is cancelled, then awaited with all gates open.
        Cancel,
        /// The runtime goes first.
        ShutDown,
    }

    #[derive(Copy, Eq, Default)]
    enum Policy {
        #[default]
        Finish,
        Cancel,
        Unwind,
    }

    /// A hook of a layer.
    #[derive(Copy, Eq)]
    struct HookSetup {
        on_call: Act,
        on_resume: Act,
        on_suspend: Act,
        state_dropped: Act,
    }

    #[derive(Eq)]
    struct LayerSetup {
        policy: Policy,
        /// Modulo four; none if it is zero.
        limit: u8,
        hooks: Vec<HookSetup>,
        carries: bool,
        /// Ten milliseconds of grace, where the policy cancels and there is a clock that can be moved.
        has_grace: bool,
    }

    /// What foreign code does: a waker's, a destructor's, a hook's. Where it cannot (a wait while the thread panics),
    /// it does nothing.
    #[derive(Copy, Eq, Default)]
    enum Act {
        #[default]
        Nothing,
        Panic,
        /// `await_in_fiber`, or where that would end the process `try_await_in_fiber`.
        Wait { gate: u8 },
        Try { gate: u8 },
        Yield,
        /// Wakes all that wait for the gate, which stays as it is.
        Wake { gate: u8 },
        Open { gate: u8 },
        CancelAll { layer: u8 },
        Dump { layer: u8 },
        DropCall { call: u8 },
        PollCall { call: u8 },
        /// Makes a call, polls and drops it.
        Call { layer: u8 },
        /// All that can be asked.
        Ask,
        /// Keeps an `until_caller_gone` among the calls.
        Gone,
        Shield { gate: u8 },
        /// `join` of two that wait.
        Join { gate: u8 },
        /// A local fiber that is polled and dropped.
        Local { gate: u8 },
        /// Drops the wakers that were kept.
        Late,
        Ready { service: u8 },
        DropService { service: u8 },
        Close { layer: u8 },
    }

    /// A value that is counted, and what it does when it is cloned and dropped.
    #[derive(Copy, Eq)]
    struct ValueSetup {
        dropped: Act,
        cloned: Act,
    }

    #[derive(Copy, Eq)]
    struct WakerSetup {
        woken: Act,
        dropped: Act,
        cloned: Act,
    }

    #[derive(Eq, Default)]
    enum Source {
        #[default]
        Ready,
        Gate { gate: u8 },
        /// Pending that often, waking itself.
        Yields { times: u8 },
        /// Ready when the caller has gone, or the gate is open.
        Gone { gate: u8 },
        /// Never ready where a cancel of the layer ends the wait, else at once.
        Never,
    }

    #[derive(Eq)]
    struct Awaited {
        source: Source,
        into: Act,
        polled: Act,
        dropped: Act,
        /// Whether a clone of its waker is kept until later.
        keeps_waker: bool,
    }

    #[derive(Copy, Eq, Default)]
    enum Kind {
        #[default]
        Layer,
        Local,
    }

    /// A function that runs in a fiber.
    struct FiberSetup {
        kind: Kind,
        layer: u8,
        steps: Steps,
        held: ValueSetup,
        output: ValueSetup,
    }

    /// What an asynchronous service does between two polls.
    enum Phase {
        Park { gate: u8 },
        Run { steps: Steps },
    }

    /// What a service does.
    struct Program {
        /// While it is being called.
        steps: Steps,
        /// In its future.
        phases: Vec<Phase>,
        /// It is ready when this gate is open, if it is below eight.
        ready: u8,
        cloned: Act,
        output: ValueSetup,
    }

    #[derive(Default)]
    enum Step {
        #[default]
        Yield,
        Wait { awaited: Awaited },
        Try { awaited: Awaited },
        /// Many waits that are ready at once.
        Ready { times: u8 },
        Act { act: Act },
        /// The payload's destructor panics once more, if it is to.
        Panic { payload: ValueSetup, is_bold: bool },
        Hold { value: ValueSetup, steps: Steps },
        /// A fiber-local.
        Local { value: ValueSetup },
        Shield { steps: Steps },
        Catch { steps: Steps },
        /// `on_thread_stack`
        Thread { steps: Steps },
        Nest { fiber: FiberSetup },
        TryNest { fiber: FiberSetup },
        Join { children: Vec<Steps> },
        Race { limit: u8, children: Vec<Steps> },
        /// `FuturesUnordered`, of which so many are taken and the rest dropped.
        Unordered { take: u8, children: Vec<FiberSetup> },
        /// The first of several, polled in one of several manners.
        Select { manner: u8, children: Vec<FiberSetup> },
        /// Polls a fiber once and gives it away to the calls.
        Keep { fiber: FiberSetup, waker: WakerSetup },
        /// Polls a fiber once and has it over these steps.
        Held { fiber: FiberSetup, waker: WakerSetup, steps: Steps },
        /// Calls a service as soon as it is ready.
        Serve { layer: u8, program: Program, request: ValueSetup },
    }

    /// What happens from outside.
    #[derive(Default)]
    enum Operation {
        /// The runtime runs.
        #[default]
        Idle,
        Start { fiber: FiberSetup },
        Poll { call: u8, waker: WakerSetup },
        /// By the waker of the script's own task, as most calls are.
        PollByTask { call: u8 },
        /// Once more if it has ended or panicked, which nobody may.
        PollTwice { call: u8, waker: WakerSetup },
        Open { gate: u8 },
        Drop { call: u8 },
        DropPanicking { call: u8 },
        DropElsewhere { call: u8 },
        PollElsewhere { call: u8, waker: WakerSetup },
        /// With a value of the task-local that layers carry.
        PollCarrying { call: u8, waker: WakerSetup, value: ValueSetup },
        Act { act: Act },
        ActElsewhere { act: Act },
        Advance { millis: u8 },
        Serve { layer: u8, program: Program },
        Ready { service: u8, waker: WakerSetup },
        Call { service: u8, request: ValueSetup },
        /// Keeps a future of the layer's handle among the calls.
        Drained { layer: u8 },
        Backtraces { layer: u8 },
    }
}

impl From<Policy> for OnDrop {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Finish => Self::Finish,
            Policy::Cancel => Self::Cancel,
            Policy::Unwind => Self::Unwind,
        }
    }
}

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) host: Host,
    pub(crate) ending: Ending,
    pub(crate) layers: [LayerSetup; LAYERS],
    pub(crate) operations: Vec<Operation>,
}

impl Code for Script {
    fn read(from: &mut Reader<'_>) -> Self {
        let (host, ending, layers) = (Code::read(from), Code::read(from), Code::read(from));
        let mut operations = Vec::new();
        while !from.is_at_end() && operations.len() < OPERATIONS {
            operations.push(Code::read(from));
        }
        Self { host, ending, layers, operations }
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.host.write(to);
        self.ending.write(to);
        self.layers.write(to);
        self.operations.iter().for_each(|operation| operation.write(to));
    }
}
