//! Code of others between two steps of a fiber.

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod carried_clone_waits;
mod foreign_code;
mod reentrant_lock;
mod two_hooks_panic;
mod wakers_under_locks;
