//! The same as `spans`, with the oldest `tracing-subscriber` that works with `tracing` 0.1.

#![cfg(feature = "tracing")]

#[path = "../spans/cases.rs"]
mod cases;
#[path = "../support/mod.rs"]
mod support;

use tracing_subscriber_oldest as subscriber;
