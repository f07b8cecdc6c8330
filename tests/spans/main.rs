//! Spans follow a call into its fiber, and no other task of the thread sees them.

#![cfg(feature = "tracing")]

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

use tracing_subscriber as subscriber;

mod cases;
mod every_order;
mod filters;
mod interleaving;
