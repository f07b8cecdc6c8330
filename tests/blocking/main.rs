//! Code that may block beside fibers, and locks and channels, which suspend in fibers and block beside them.

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod blocking_layer;
mod call_from_offload;
mod handle;
mod run;
mod sync;
