//! What the model's fibers share, and what they are told.

use tower_fiber::Counters;

use crate::{
    machine::Machine,
    script::{Event, GATES, LayerId, UNWIND},
};

/// What all fibers of the model share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) open: [bool; GATES],
    /// How often each layer's calls were cancelled.
    pub(crate) cancels: [u32; 3],
    pub(crate) counters: [Counters; 3],
    /// What each fiber has done, by the order in which they were begun or dropped unrun.
    pub(crate) events: Vec<Vec<Event>>,
    pub(crate) drops: usize,
    /// Fibers whose future was dropped while they waited.
    pub(crate) orphans: Vec<Machine>,
}

impl Shared {
    /// Differs when anything has happened.
    pub(crate) fn progress(&self) -> (usize, usize, [Counters; 3]) {
        (self.events.iter().map(Vec::len).sum(), self.drops, self.counters)
    }
}

/// What a fiber has been told.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Orders {
    pub(crate) cancelled: bool,
    pub(crate) unwinding: bool,
    pub(crate) gone: bool,
}

impl Orders {
    pub(crate) fn cancel(layer: LayerId) -> Self {
        Self { cancelled: true, unwinding: layer == UNWIND, gone: false }
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.cancelled |= more.cancelled;
        self.unwinding |= more.unwinding;
        self.gone |= more.gone;
    }
}
