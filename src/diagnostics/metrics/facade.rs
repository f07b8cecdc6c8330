//! The metrics of the layers of one name, as the recorder has them.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::delta::Delta;
use crate::{fiber::Event, raw::foreign, util::drop_quietly::drop_quietly};

/// The metrics of all layers of one name.
pub(super) struct LayerMetrics {
    calls: Counter,
    waits: Counter,
    running: Histogram,
    suspended: Histogram,
    live: Gauge,
    live_max: Gauge,
    abandoned: Gauge,
    stacks: Gauge,
    cancelled: Counter,
    handed_over: Counter,
    leaked: Counter,
    refused_waits: Counter,
    blocked: Counter,
}

impl LayerMetrics {
    /// New metrics go to the recorder that is installed now.
    pub(super) fn new(name: &str) -> Self {
        // Described with each name, because another recorder may have been installed for the last one.
        describe();
        let layer = || name.to_owned();
        Self {
            calls: counter!("tower_fiber_calls_total", "layer" => layer()),
            waits: counter!("tower_fiber_waits_total", "layer" => layer()),
            running: histogram!("tower_fiber_running_seconds", "layer" => layer()),
            suspended: histogram!("tower_fiber_suspended_seconds", "layer" => layer()),
            live: gauge!("tower_fiber_live_fibers", "layer" => layer()),
            live_max: gauge!("tower_fiber_live_fibers_max", "layer" => layer()),
            abandoned: gauge!("tower_fiber_abandoned_fibers", "layer" => layer()),
            stacks: gauge!("tower_fiber_stacks_in_use", "layer" => layer()),
            cancelled: counter!("tower_fiber_cancelled_total", "layer" => layer()),
            handed_over: counter!("tower_fiber_handed_over_total", "layer" => layer()),
            leaked: counter!("tower_fiber_leaked_total", "layer" => layer()),
            refused_waits: counter!("tower_fiber_refused_waits_total", "layer" => layer()),
            blocked: counter!("tower_fiber_blocked_total", "layer" => layer()),
        }
    }

    /// Passes on what is new. A recorder is foreign code: if it panics at one metric, it still gets the others.
    pub(super) fn tell(&self, delta: &Delta) {
        let counters = [
            (&self.calls, delta.count(Event::Begun)),
            (&self.waits, delta.waits),
            (&self.cancelled, delta.count(Event::Cancelled)),
            (&self.handed_over, delta.count(Event::HandedOver)),
            (&self.leaked, delta.count(Event::Leaked)),
            (&self.refused_waits, delta.count(Event::RefusedWait)),
            (&self.blocked, delta.count(Event::Blocked)),
        ];
        for (counter, more) in counters.into_iter().filter(|(_, more)| *more > 0) {
            drop_quietly(foreign(|| counter.increment(more)));
        }
        let gauges = [
            (&self.live, delta.live),
            (&self.live_max, delta.live_max),
            (&self.abandoned, delta.abandoned),
            (&self.stacks, delta.stacks),
        ];
        for (gauge, more) in gauges.into_iter().filter(|(_, more)| *more != 0) {
            // Not set, since others may tell what they have read before or after.
            drop_quietly(foreign(|| gauge.increment(more as f64)));
        }
        for (histogram, times) in [(&self.running, &delta.running), (&self.suspended, &delta.suspended)] {
            for alike in times {
                drop_quietly(foreign(|| histogram.record_many(alike.mean_seconds, alike.count)));
            }
        }
    }
}

fn describe() {
    let count = Unit::Count;
    describe_counter!("tower_fiber_calls_total", count, "Calls that have been placed");
    describe_counter!("tower_fiber_waits_total", count, "How often calls that have ended had been suspended");
    describe_histogram!("tower_fiber_running_seconds", Unit::Seconds, "How long a call that has ended ran, in all");
    describe_histogram!(
        "tower_fiber_suspended_seconds",
        Unit::Seconds,
        "How long a call that has ended was suspended, in all"
    );
    describe_gauge!("tower_fiber_live_fibers", count, "Fibers that exist: running, or suspended in a wait");
    describe_gauge!("tower_fiber_live_fibers_max", count, "The most fibers that have existed at once");
    describe_gauge!("tower_fiber_abandoned_fibers", count, "Fibers that exist although their caller has gone");
    describe_gauge!("tower_fiber_stacks_in_use", count, "Stacks that fibers hold, those of leaked fibers included");
    describe_counter!("tower_fiber_cancelled_total", count, "Fibers that ended after they had been cancelled");
    describe_counter!(
        "tower_fiber_handed_over_total",
        count,
        "Fibers that went on because their response future was dropped"
    );
    describe_counter!(
        "tower_fiber_leaked_total",
        count,
        "Fibers and futures that could not be ended where they were dropped"
    );
    describe_counter!(
        "tower_fiber_refused_waits_total",
        count,
        "Waits that were refused: nested, cancelled, during unwinding"
    );
    describe_counter!("tower_fiber_blocked_total", count, "Times that a fiber blocked its thread for too long");
}
