//! What a meter has counted since the recorder was last updated.

use std::{array, mem, sync::Arc};

use crate::{
    fiber::{EVENTS, Event, Meter, Reading, Shared},
    util::histogram::Alike,
};

/// What has been taken out of a meter for the recorder so far.
#[derive(Default)]
pub(super) struct Told(Reading);

/// What was counted since then.
pub(super) struct Delta {
    counts: [u64; EVENTS],
    pub(super) waits: u64,
    /// By how much gauges change.
    pub(super) live: i64,
    pub(super) live_max: i64,
    pub(super) abandoned: i64,
    pub(super) stacks: i64,
    pub(super) running: Vec<Alike>,
    pub(super) suspended: Vec<Alike>,
    /// To be dropped where foreign code may run: these may be the last references.
    pub(super) layers: Vec<Arc<Shared>>,
}

impl Told {
    /// Takes the difference out of the meter.
    pub(super) fn renew(&mut self, meter: &Meter) -> Delta {
        let mut now = meter.read();
        let former = &self.0;
        // A layer that is just being dropped may be missing from the present counts.
        now.counts = array::from_fn(|event| now.counts[event].max(former.counts[event]));
        let change = |now: u64, former: u64| now as i64 - former as i64;
        let delta = Delta {
            counts: array::from_fn(|event| now.counts[event] - former.counts[event]),
            waits: now.waits,
            live: change(now.live, former.live),
            live_max: change(now.live_max, former.live_max),
            abandoned: change(now.abandoned, former.abandoned),
            stacks: change(now.stacks, former.stacks),
            running: mem::take(&mut now.running),
            suspended: mem::take(&mut now.suspended),
            layers: mem::take(&mut now.layers),
        };
        self.0 = now;
        delta
    }
}

impl Delta {
    pub(super) fn count(&self, event: Event) -> u64 {
        self.counts[event as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        let gauges = [self.live, self.live_max, self.abandoned, self.stacks];
        self.counts.iter().all(|count| *count == 0) && gauges == [0; 4] && self.running.is_empty() && self.waits == 0
    }
}
