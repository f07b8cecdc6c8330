//! Stacks: where they lie, how many there can be, what memory they take, and what happens when one overflows or none
//! can be had. What counts what the process has is done in child processes.

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
#[path = "../support/system.rs"]
mod system;

#[cfg(target_os = "linux")]
mod capacity;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod overflow;
mod place;
#[cfg(target_os = "linux")]
mod shortage;
#[cfg(target_os = "linux")]
mod stacks;
