//! What fibers do, and what happens to them.

use proptest::{collection::vec, prelude::*};

/// Gates that fibers wait for. Each is shut until it is opened.
pub(crate) const GATES: usize = 4;

/// One of the layers: finishing, cancelling, unwinding.
pub(crate) type LayerId = usize;

pub(crate) const FINISH: LayerId = 0;
pub(crate) const UNWIND: LayerId = 2;

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) layer: LayerId,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `await_in_fiber` for a gate.
    Wait(usize),
    /// `try_await_in_fiber` for a gate.
    Try(usize),
    /// A wait that is ready at once.
    Ready,
    /// Real blocking, on something that is there already.
    Block,
    /// Asks `caller_gone`.
    Look,
    Panic,
    /// Keeps a value over these steps that counts its drop.
    Hold(Vec<Step>),
    Shield(Vec<Step>),
    /// `catch_unwind` around these steps.
    Catch(Vec<Step>),
    /// Runs another fiber and waits for it.
    Nest(Script),
}

/// What a fiber has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Waited,
    Tried { cancelled: bool },
    Ready,
    Blocked,
    Looked { gone: bool },
    Held,
    Shielded,
    Caught { unwound: bool },
    Nested,
}

/// What happens from outside. A number names a call, modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Start(Script),
    Poll(usize),
    Open(usize),
    Drop(usize),
    DropElsewhere(usize),
    CancelAll(LayerId),
    /// The runtime runs until it has nothing to do.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All gates are opened and all calls awaited.
    OpenAll,
    /// All calls are dropped, then all gates opened.
    DropAll,
    /// The runtime, or the pool's handle, goes first.
    ShutDown,
}

impl Step {
    fn any() -> impl Strategy<Value = Self> {
        let leaf = prop_oneof![
            6 => (0..GATES).prop_map(Self::Wait),
            6 => (0..GATES).prop_map(Self::Try),
            2 => Just(Self::Ready),
            1 => Just(Self::Block),
            2 => Just(Self::Look),
            1 => Just(Self::Panic),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let steps = || vec(inner.clone(), 1..4);
            prop_oneof![
                1 => steps().prop_map(Self::Hold),
                1 => steps().prop_map(Self::Shield),
                1 => steps().prop_map(Self::Catch),
                2 => (0..3_usize, steps()).prop_map(|(layer, steps)| Self::Nest(Script { layer, steps })),
            ]
        })
    }
}

impl Script {
    fn any() -> impl Strategy<Value = Self> {
        (0..3_usize, vec(Step::any(), 1..5)).prop_map(|(layer, steps)| Self { layer, steps })
    }
}

impl Operation {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            5 => Script::any().prop_map(Self::Start),
            8 => (0..8_usize).prop_map(Self::Poll),
            4 => (0..GATES).prop_map(Self::Open),
            2 => (0..8_usize).prop_map(Self::Drop),
            1 => (0..8_usize).prop_map(Self::DropElsewhere),
            1 => (0..3_usize).prop_map(Self::CancelAll),
            3 => Just(Self::Idle),
        ]
    }
}

impl Ending {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![Just(Self::OpenAll), Just(Self::DropAll), Just(Self::ShutDown)]
    }
}
