//! What follows a call: task-locals, hooks, dispatchers, fiber-locals; and what is told of it.

#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;

mod canary;
mod carry;
mod children_context;
mod dump;
mod fiber_local;
mod hook;
mod metrics;
mod offload_context;
mod warnings;
mod with_subscriber_on_pool;
