//! `max_fibers`, alone and together with other limits, above, below and beside: all calls end, and no more fibers live
//! than were allowed.

#[path = "../support/mod.rs"]
mod support;

mod harness;
mod limit;
mod limits;
mod nested;
mod owners;
mod turns;
