//! Metrics of layers, through the `metrics` facade.
//!
//! With [`FiberLayerBuilder::metrics`](crate::FiberLayerBuilder::metrics) (feature `metrics`) a layer counts and
//! measures its calls. Install the recorder, such as a Prometheus exporter, before the first call: what is counted
//! earlier may be lost. Each metric has the label `layer`, with the layer's [name](crate::FiberLayerBuilder::name) or
//! `unnamed`. Layers of the same name share their metrics.
//!
//! | metric | kind | what it says |
//! |---|---|---|
//! | `tower_fiber_calls_total` | counter | calls that have been placed |
//! | `tower_fiber_waits_total` | counter | how often calls that have ended had been suspended |
//! | `tower_fiber_running_seconds` | histogram | how long a call that has ended ran, in all |
//! | `tower_fiber_suspended_seconds` | histogram | how long it was suspended, in all |
//! | `tower_fiber_live_fibers` | gauge | fibers that exist: running, or suspended in a wait |
//! | `tower_fiber_live_fibers_max` | gauge | the most fibers that have existed at once |
//! | `tower_fiber_abandoned_fibers` | gauge | fibers that exist although their caller has gone |
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
//! Only such layers pay for this: two readings of the clock for each stretch that a call runs, some atomic operations,
//! and one allocation per call.
//!
//! `docs/grafana-dashboard.json` in the repository is a dashboard that shows all of them in Grafana, from a Prometheus.
//!
//! # How late they are
//!
//! Calls only count. A thread named `fiber-metrics` passes on to the recorder what has been counted, 100 ms after it
//! was at the latest; it starts with the first call of such a layer and rests while nothing is counted. So what an
//! exporter shows is at most that old. [`FiberHandle::counters`](crate::FiberHandle::counters) of any layer with
//! metrics passes on at once what all of them have counted: call it where metrics are scraped to show what is true at
//! that moment, and before the process ends to lose nothing. What the thread is just passing on meanwhile arrives a
//! moment later.
//!
//! Nothing that is counted is rounded: neither counters nor gauges, nor the number and sum of a histogram's values. Of
//! times that differ by less than a sixteenth and were measured within the same 100 ms, a histogram gets the mean as
//! often as there were times.
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

mod delta;
mod facade;
mod publisher;

pub(crate) use self::publisher::{meter_of, publish};
