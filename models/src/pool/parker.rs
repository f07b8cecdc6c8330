//! The parker, made of loom's notification.

use loom::sync::Notify;

pub(super) struct Parker(Notify);

impl Default for Parker {
    fn default() -> Self {
        Self(Notify::new())
    }
}

impl Parker {
    pub(super) fn settle(&self) {}

    pub(super) fn unpark(&self) {
        self.0.notify();
    }

    pub(super) fn wait(&self) {
        self.0.wait();
    }
}
