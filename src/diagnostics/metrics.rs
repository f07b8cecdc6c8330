//! Metrics of layers, through the `metrics` facade.
//!
//! With [`FiberLayerBuilder::metrics`](crate::FiberLayerBuilder::metrics) (feature `metrics`) a layer counts and
//! measures its calls. Install the recorder, such as a Prometheus exporter, before the first call: earlier counts are
//! lost. Each metric has the label `layer`, with the layer's [name](crate::FiberLayerBuilder::name) or `unnamed`.
//! Layers of the same name share their metrics.
//!
//! | metric | kind | what it says |
//! |---|---|---|
//! | `tower_fiber_calls_total` | counter | calls that have been placed |
//! | `tower_fiber_waits_total` | counter | how often calls that have ended had been suspended |
//! | `tower_fiber_running_seconds` | histogram | how long a call that has ended ran, in all |
//! | `tower_fiber_suspended_seconds` | histogram | how long it was suspended, in all |
//! | `tower_fiber_live_fibers` | gauge | fibers that exist: running, or suspended in a wait |
//! | `tower_fiber_live_fibers_max` | gauge | the most fibers that have existed at once |
//! | `tower_fiber_stacks_in_use` | gauge | stacks that fibers hold, those of leaked fibers included |
//! | `tower_fiber_cancelled_total` | counter | fibers that ended after they had been cancelled |
//! | `tower_fiber_handed_over_total` | counter | fibers that went on because their response future was dropped |
//! | `tower_fiber_leaked_total` | counter | fibers and futures that could not be ended where they were dropped |
//! | `tower_fiber_refused_waits_total` | counter | waits that were refused: nested, cancelled, during unwinding |
//! | `tower_fiber_blocked_total` | counter | times that a fiber blocked its thread for longer than [`detect_blocking`](crate::FiberLayerBuilder::detect_blocking) allows |
//!
//! The names and the label are part of the public interface: within a major version, metrics are only added.
//!
//! A call of an async service runs while it is polled, and is suspended in between. A call that is dropped before it
//! has ended has no times.
//!
//! Only such layers pay for this: two readings of the clock for each stretch that a call runs, and some atomic
//! operations and allocations per call.
//!
//! # Examples
//!
//! The bookshop (`cargo run -p bookshop`) returns this at `/metrics` after a hundred concurrent requests for
//! `/api/books/..`, shortened:
//!
//! ```text
//! # HELP tower_fiber_calls_total Calls that have been placed
//! # TYPE tower_fiber_calls_total counter
//! tower_fiber_calls_total{layer="api"} 100
//! # HELP tower_fiber_waits_total How often calls that have ended had been suspended
//! # TYPE tower_fiber_waits_total counter
//! tower_fiber_waits_total{layer="api"} 674
//! # HELP tower_fiber_live_fibers_max The most fibers that have existed at once
//! # TYPE tower_fiber_live_fibers_max gauge
//! tower_fiber_live_fibers_max{layer="api"} 100
//! # HELP tower_fiber_suspended_seconds How long a call that has ended was suspended, in all
//! # TYPE tower_fiber_suspended_seconds histogram
//! tower_fiber_suspended_seconds_bucket{layer="api",le="0.001"} 0
//! tower_fiber_suspended_seconds_bucket{layer="api",le="0.01"} 0
//! tower_fiber_suspended_seconds_bucket{layer="api",le="0.1"} 0
//! tower_fiber_suspended_seconds_bucket{layer="api",le="0.25"} 86
//! tower_fiber_suspended_seconds_bucket{layer="api",le="1"} 100
//! tower_fiber_suspended_seconds_bucket{layer="api",le="2.5"} 100
//! tower_fiber_suspended_seconds_bucket{layer="api",le="+Inf"} 100
//! tower_fiber_suspended_seconds_sum{layer="api"} 17.721014845
//! tower_fiber_suspended_seconds_count{layer="api"} 100
//! ```

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::{
    fiber::{Event, Listener},
    util::lock::lock,
};

/// The metrics of one layer, which exist from its first call on.
pub(crate) struct Metrics {
    name: Option<Box<str>>,
    of_calls: OnceLock<Arc<LayerMetrics>>,
}

impl Metrics {
    pub(crate) fn new(name: Option<&str>) -> Self {
        Self { name: name.map(Into::into), of_calls: OnceLock::new() }
    }

    pub(crate) fn of_calls(&self) -> &Arc<LayerMetrics> {
        self.of_calls.get_or_init(|| LayerMetrics::of(self.name.as_deref()))
    }
}

impl Listener for Metrics {
    fn hear(&self, event: Event) {
        self.of_calls().count(event);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The metrics of all layers of one name.
pub(crate) struct LayerMetrics {
    calls: Counter,
    waits: Counter,
    running: Histogram,
    suspended: Histogram,
    live: Gauge,
    live_max: Gauge,
    stacks: Gauge,
    cancelled: Counter,
    handed_over: Counter,
    leaked: Counter,
    refused_waits: Counter,
    blocked: Counter,
    /// The value that `live` shows, and the highest that it has had.
    now: AtomicU64,
    most: AtomicU64,
}

impl LayerMetrics {
    /// Returns the metrics of the layers of this name. New metrics go to the recorder that is installed now.
    fn of(name: Option<&str>) -> Arc<Self> {
        static ALL: Mutex<Option<HashMap<String, Arc<LayerMetrics>>>> = Mutex::new(None);
        let name = name.unwrap_or("unnamed");
        let mut all = lock(&ALL);
        let all = all.get_or_insert_default();
        if let Some(known) = all.get(name) {
            return Arc::clone(known);
        }
        // Described with each name, because another recorder may have been installed for the last one.
        describe();
        let made = Arc::new(Self::new(name));
        all.insert(name.to_owned(), Arc::clone(&made));
        made
    }

    fn new(name: &str) -> Self {
        let layer = || name.to_owned();
        Self {
            calls: counter!("tower_fiber_calls_total", "layer" => layer()),
            waits: counter!("tower_fiber_waits_total", "layer" => layer()),
            running: histogram!("tower_fiber_running_seconds", "layer" => layer()),
            suspended: histogram!("tower_fiber_suspended_seconds", "layer" => layer()),
            live: gauge!("tower_fiber_live_fibers", "layer" => layer()),
            live_max: gauge!("tower_fiber_live_fibers_max", "layer" => layer()),
            stacks: gauge!("tower_fiber_stacks_in_use", "layer" => layer()),
            cancelled: counter!("tower_fiber_cancelled_total", "layer" => layer()),
            handed_over: counter!("tower_fiber_handed_over_total", "layer" => layer()),
            leaked: counter!("tower_fiber_leaked_total", "layer" => layer()),
            refused_waits: counter!("tower_fiber_refused_waits_total", "layer" => layer()),
            blocked: counter!("tower_fiber_blocked_total", "layer" => layer()),
            now: AtomicU64::new(0),
            most: AtomicU64::new(0),
        }
    }

    fn count(&self, event: Event) {
        match event {
            Event::Begun => self.calls.increment(1),
            Event::Ended => {}
            // `interpose::calls` has them by name.
            #[cfg(feature = "interpose")]
            Event::Interposed => {}
            Event::Started => {
                self.stacks.increment(1);
                self.one_more();
            }
            Event::Stopped => {
                self.stacks.decrement(1);
                self.one_less();
            }
            Event::LeakedLive => self.one_less(),
            Event::Revived => self.one_more(),
            Event::Leaked => self.leaked.increment(1),
            Event::Cancelled => self.cancelled.increment(1),
            Event::HandedOver => self.handed_over.increment(1),
            Event::RefusedWait => self.refused_waits.increment(1),
            Event::Blocked => self.blocked.increment(1),
        }
    }

    fn one_more(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.live.increment(1);
        if self.most.fetch_max(now, Ordering::Relaxed) < now {
            self.live_max.set(now as f64);
        }
    }

    fn one_less(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.live.decrement(1);
    }

    pub(crate) fn call_ended(&self, running: Duration, suspended: Duration, waits: u64) {
        self.running.record(running);
        self.suspended.record(suspended);
        self.waits.increment(waits);
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
