//! A web service of synchronous code that does not block a thread while it waits.

pub mod bridge;
pub mod legacy;
pub mod web;
