//! What the routes show, whatever their format.

use std::{sync::Arc, time::Duration};

use crate::{
    diagnostics::{Overview, Place, overview},
    fiber::Shared,
    layer::{Counters, Observed},
};

pub(super) struct Snapshot {
    pub(super) layers: Vec<Layer>,
}

pub(super) struct Layer {
    shared: Arc<Shared>,
    counters: Counters,
    pub(super) overview: Overview,
}

impl Snapshot {
    pub(super) fn new(observed: &Observed) -> Self {
        let layer =
            |shared: Arc<Shared>| Layer { counters: Counters::of(&shared), overview: overview(&shared), shared };
        Self { layers: observed.layers().into_iter().map(layer).collect() }
    }
}

impl Layer {
    pub(super) fn name(&self) -> Option<&str> {
        self.shared.name.as_deref()
    }

    /// Whether new calls are refused.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.in_flight.is_closed()
    }

    pub(super) fn max_fibers(&self) -> Option<usize> {
        self.shared.limit.as_ref().map(|limit| limit.max)
    }

    /// The counters by their names in [`Counters`].
    pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Counters { live, abandoned, stacks_in_use, .. } = self.counters;
        let Counters { leaked, cancelled, handed_over, refused_waits, blocked, .. } = self.counters;
        let counters = [
            ("live", live),
            ("abandoned", abandoned),
            ("stacks_in_use", stacks_in_use),
            ("handed_over", handed_over),
            ("cancelled", cancelled),
            ("leaked", leaked),
            ("refused_waits", refused_waits),
            ("blocked", blocked),
        ];
        let counters = counters.into_iter();
        #[cfg(feature = "interpose")]
        let counters = counters.chain([("interposed_waits", self.counters.interposed_waits)]);
        counters
    }
}

pub(super) fn state(place: &Place) -> &'static str {
    if place.is_running { "running" } else { "waiting" }
}

/// A time as people say it.
pub(super) fn rounded(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
