//! The greeter over loopback sockets, on a current-thread runtime, on a multi-thread runtime, and on one per core.

mod client_goes;
mod errors;
mod harness;
mod hundred_at_once;
mod leaving;
mod mounting;
mod panics;
mod per_core;
mod streams;
mod unary;
