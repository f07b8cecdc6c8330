//! How calls end early: cancelled, dropped, shielded, unwound.

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod caller_gone;
mod cancel_all;
mod drop;
mod drop_in_place;
mod nested_cancel;
mod nested_shield;
mod shield;
mod unwind;
mod unwinding;
