//! A server once per core.
#![cfg(all(feature = "axum", feature = "per-core"))]

#[path = "../support/child.rs"]
mod child;

mod acceptor;
mod address;
mod cores;
mod failures;
mod harness;
mod incoming;
mod on_core;
mod pinning;
mod requests;
mod shutdown;
mod spread;
mod start;
