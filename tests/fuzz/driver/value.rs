//! A value that is counted, whose destructor and `Clone` are foreign code: held, sent, returned, thrown, carried.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    ledger::{FiberNo, Running},
    script::{Act, ValueSetup},
    stage::Stage,
};

pub(crate) struct Value {
    stage: Arc<Stage>,
    number: usize,
    owner: Option<FiberNo>,
    setup: ValueSetup,
    /// Dropped after the destructor has run.
    _running: Option<Running>,
}

impl Value {
    /// `owner` is the fiber with which it may be lost.
    pub(crate) fn new(stage: &Arc<Stage>, owner: Option<FiberNo>, setup: ValueSetup) -> Self {
        Self::with(stage, owner, setup, None)
    }

    /// As a fiber-local, after whose destructor only its fiber has ended.
    pub(crate) fn local(stage: &Arc<Stage>, owner: FiberNo, setup: ValueSetup) -> Self {
        Self::with(stage, Some(owner), setup, Some(Running::begin(stage, owner)))
    }

    /// Whether its destructor is to panic.
    pub(crate) fn is_to_panic(&self) -> bool {
        self.setup.dropped == Act::Panic && self.stage.take_fuel()
    }

    fn with(stage: &Arc<Stage>, owner: Option<FiberNo>, setup: ValueSetup, running: Option<Running>) -> Self {
        let number = stage.ledger.value(owner);
        Self { stage: Arc::clone(stage), number, owner, setup, _running: running }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        self.stage.act(self.setup.cloned);
        Self::new(&self.stage, self.owner, self.setup)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.stage.ledger.drop_value(self.number);
        self.stage.act(self.setup.dropped);
    }
}

/// Drops what nobody wants. A destructor that panics has a payload, whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    let mut dropped = catch_unwind(AssertUnwindSafe(|| drop(value)));
    while let Err(payload) = dropped {
        dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
}

/// Runs what may panic, and says whether it did not.
pub(crate) fn guarded(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => true,
        Err(payload) => {
            discard(payload);
            false
        }
    }
}
