//! How calls end early: cancelled, dropped, shielded, unwound.

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod events;
#[path = "../support/mod.rs"]
mod support;

mod abandoned;
mod caller_gone;
mod cancel_all;
mod drop;
mod drop_in_place;
#[cfg(feature = "tracing")]
mod logged;
mod nested_cancel;
mod nested_shield;
mod shield;
mod unwind;
mod unwinding;
