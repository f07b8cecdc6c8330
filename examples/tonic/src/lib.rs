//! A gRPC server whose methods call plain synchronous code, which waits without blocking a thread.
//!
//! - [`business`] is the synchronous code: not async, and it knows neither fibers nor tonic.
//! - [`directory`] connects it: the one place that waits for a future.
//! - [`proto`] is what `tonic-prost-build` generates.
//! - [`methods`] is plain code that knows gRPC: messages, metadata and streams in and out.
//! - [`service`] implements the generated trait and mounts the server behind a [`FiberLayer`](tower_fiber::FiberLayer).
//! - [`functions`] serves the same methods without the generated server: each is a plain function.
//! - [`until`] ends streams at the client's deadline, and [`cut_off`] makes an error of request streams that a client
//!   has reset.

pub mod business;
pub mod cut_off;
pub mod directory;
pub mod functions;
pub mod methods;
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "the code is generated"
)]
pub mod proto;
pub mod service;
pub mod until;
