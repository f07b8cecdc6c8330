//! Spans follow a call into its fiber, and no other task of the thread sees them.

#![cfg(feature = "tracing")]

mod cases;
mod filters;
#[path = "../support/mod.rs"]
mod support;

use tracing_subscriber as subscriber;
