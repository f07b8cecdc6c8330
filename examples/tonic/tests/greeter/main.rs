//! The greeter over loopback sockets, on a current-thread and on a multi-thread runtime.

mod client_goes;
mod errors;
mod harness;
mod hundred_at_once;
mod mounting;
mod panics;
mod per_core;
mod unary;
