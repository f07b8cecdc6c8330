//! How long each call runs and waits, for metrics.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::attendant::Attendant;
use crate::metrics::LayerMetrics;

pub(super) fn attend(metrics: &Arc<LayerMetrics>) -> Box<dyn Attendant> {
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

impl Attendant for Measured {
    fn begin(&mut self) {}

    fn around(&mut self, run: &mut dyn FnMut()) {
        let resumed = Instant::now();
        if let Some(left) = self.left {
            self.suspended += resumed - left;
            self.waits += 1;
        }
        run();
        let left = Instant::now();
        self.running += left - resumed;
        self.left = Some(left);
    }

    fn end(&mut self) {
        self.metrics.call_ended(self.running, self.suspended, self.waits);
    }
}
