//! How long each call runs and waits, for metrics.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::scope::Scope;
use crate::{diagnostics::metrics::LayerMetrics, util::drop_quietly::FirstPanic};

pub(super) fn attend(metrics: &Arc<LayerMetrics>) -> Box<dyn Scope> {
    let metrics = Arc::clone(metrics);
    Box::new(Measured { metrics, left: None, running: Duration::ZERO, suspended: Duration::ZERO, waits: 0 })
}

struct Measured {
    metrics: Arc<LayerMetrics>,
    /// When the last stretch ended.
    left: Option<Instant>,
    running: Duration,
    suspended: Duration,
    waits: u64,
}

impl Scope for Measured {
    fn begin(&mut self) {}

    fn around(&mut self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
        let resumed = Instant::now();
        if let Some(left) = self.left {
            self.suspended += resumed - left;
            self.waits += 1;
        }
        run(panics);
        let left = Instant::now();
        self.running += left - resumed;
        self.left = Some(left);
    }

    fn end(&mut self) {
        self.metrics.call_ended(self.running, self.suspended, self.waits);
    }
}
