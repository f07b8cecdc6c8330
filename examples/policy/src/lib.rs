//! A gRPC service whose authorisation is plain synchronous code that asks another service, without blocking a thread.
//!
//! - [`legacy`] is the authorisation: a trait, rules, and a cache behind a lock. It is not async, and knows neither
//!   fibers nor tonic.
//! - [`remote`] connects it: the one place that waits.
//! - [`service`] guards the documents, by tonic's interceptor and in the method.
//! - [`decider`] is the service that is asked, in ordinary async code.
//! - [`proto`] is what `tonic-prost-build` generates.

pub mod decider;
pub mod legacy;
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "the code is generated"
)]
pub mod proto;
pub mod remote;
pub mod service;
