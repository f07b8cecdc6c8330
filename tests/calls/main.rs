//! Calls: how they are made, placed, run and joined, and what their owners see.

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;

mod auto_traits;
mod backtrace;
mod call;
mod config;
mod handle;
mod homes;
mod join;
mod nested;
mod panic;
mod race_loser_in_local_set;
mod refused;
mod root;
mod runtime_inside_task;
mod service;
mod suspend;
mod synchronize;
mod tokio_blocking;
mod used_task;
