//! Wakers that do anything when they are cloned, woken and dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use cooked_waker::{IntoWaker as _, Wake, WakeRef};

use super::{script::WakerSetup, stage::Stage};

/// `Box`ed, so that each clone of the waker is one of this.
struct Foreign {
    stage: Arc<Stage>,
    setup: WakerSetup,
    woken: Arc<AtomicBool>,
}

impl Foreign {
    fn new(stage: &Arc<Stage>, setup: WakerSetup, woken: &Arc<AtomicBool>) -> Self {
        stage.ledger.make_waker();
        Self { stage: Arc::clone(stage), setup, woken: Arc::clone(woken) }
    }
}

impl Clone for Foreign {
    fn clone(&self) -> Self {
        self.stage.act(self.setup.cloned);
        Self::new(&self.stage, self.setup, &self.woken)
    }
}

impl WakeRef for Foreign {
    fn wake_by_ref(&self) {
        self.woken.store(true, Ordering::Relaxed);
        self.stage.act(self.setup.woken);
        // The code that lends the waker keeps it until this returns, whatever runs here.
        self.woken.store(true, Ordering::Relaxed);
    }
}

impl Wake for Foreign {}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.stage.ledger.drop_waker();
        self.stage.act(self.setup.dropped);
    }
}

/// A waker that sets `woken`.
pub(crate) fn foreign(stage: &Arc<Stage>, setup: WakerSetup, woken: &Arc<AtomicBool>) -> Waker {
    Box::new(Foreign::new(stage, setup, woken)).into_waker()
}
