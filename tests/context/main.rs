//! What follows a call: task-locals, hooks, dispatchers, fiber-locals; and what is told of it.

#[cfg(all(feature = "signal", unix))]
#[path = "../support/child.rs"]
mod child;
#[path = "../support/current.rs"]
mod current;
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;

mod canary;
mod carry;
mod children_context;
mod dashboard;
mod dump;
mod dump_on_signal;
mod fiber_id;
mod fiber_local;
mod hook;
mod metrics;
mod offload_context;
mod warnings;
mod with_subscriber_on_pool;
