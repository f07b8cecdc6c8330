//! `Read` and `Write` in fibers, and what is written and read as a stream.

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "stream")]
#[path = "../support/current.rs"]
mod current;
#[cfg(feature = "io")]
#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/mod.rs"]
mod support;

mod property;
mod read_write;
mod stream;
mod stream_context;
mod tcp;
mod timeouts;
mod whole;
mod writers;
