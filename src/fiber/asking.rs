//! Asks fibers for reports.

use std::sync::Arc;

use super::{FiberId, Shared, report::Answers};

/// A request for reports, open while this value exists.
pub(crate) struct Asking {
    shared: Arc<Shared>,
    pub(crate) answers: Arc<Answers>,
}

impl Asking {
    /// Asks one fiber, or all. The caller must wake the waiting fibers that are asked after this.
    pub(crate) fn new(shared: &Arc<Shared>, asked: Option<FiberId>) -> Self {
        let answers = shared.reports.ask(asked);
        shared.in_flight.ask_for_reports();
        Self { shared: Arc::clone(shared), answers }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.shared.reports.end(&self.answers);
    }
}
