//! Calls: how they are made, placed, run and joined, and what their owners see.

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod auto_traits;
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
mod used_task;
