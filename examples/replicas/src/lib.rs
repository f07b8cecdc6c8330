//! Replicas of a gRPC service of plain synchronous code, behind tonic's balancing and tower's retry, while one is
//! killed and one added.
//!
//! - [`replica`] is the service: a server in a process of its own.
//! - [`cluster`] starts these processes, and ends them.
//! - [`health`] tells tonic's balancing which replicas there are.
//! - [`retry`] says when a request is sent again.
//! - [`load`] sends the requests.
//! - [`proto`] is what `tonic-prost-build` generates.
//!
//! Of all this only [`replica`] knows of fibers: scaling out is tower's and tonic's own.

use std::io::{self, Write as _};

pub mod cluster;
pub mod health;
pub mod load;
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "the code is generated"
)]
pub mod proto;
pub mod replica;
pub mod retry;

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
///
/// # Errors
///
/// If the standard output takes nothing.
pub fn say(text: &str) -> io::Result<()> {
    let cannot =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot write to the standard output: {error}"));
    writeln!(io::stdout(), "{text}").map_err(cannot)
}
