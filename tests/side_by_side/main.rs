//! The layer around async services, which should notice nothing: each scenario runs without it and with it, in place
//! and on the pool, and all that the scenario has seen is compared. `differences.rs` has what does differ.

#[path = "../support/mod.rs"]
mod support;

mod buffers;
mod choice;
mod clones;
mod differences;
mod drops;
mod errors;
mod harness;
mod http;
mod limits;
mod load;
mod mocks;
mod probe;
mod readiness;
mod repeats;
