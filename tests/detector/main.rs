//! Fibers that block their thread are found while they do.

#![cfg(feature = "tracing")]

#[path = "../support/child.rs"]
mod child;
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;

mod blocked;
mod harness;
mod limits;
#[cfg(all(feature = "backtrace", target_os = "linux"))]
mod locks;
mod threads;
mod used_task;
