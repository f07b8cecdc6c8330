//! Code that may block, beside fibers.

#[path = "../support/mod.rs"]
mod support;

mod call_from_offload;
mod run;
