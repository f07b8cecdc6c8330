//! Code that may block, beside fibers.

#[cfg(feature = "tracing")]
#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod blocking_layer;
mod call_from_offload;
mod run;
