//! The greeter over loopback sockets, on a current-thread runtime, on a multi-thread runtime, and on one per core.

mod client_goes;
mod errors;
mod half_sent;
mod harness;
mod hundred_at_once;
mod leaving;
mod metadata;
mod mounting;
mod panics;
mod per_core;
mod probe;
mod slow_reader;
mod streams;
mod unary;
