//! The lint: which thread-locals it names, and which it does not.

#![cfg(all(feature = "lint", target_os = "linux"))]

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod events;

mod lint;
mod lint_silent;
