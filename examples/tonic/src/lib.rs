//! A gRPC server whose methods call plain synchronous code, which waits without blocking a thread.
//!
//! - [`business`] is the synchronous code: not async, and it knows neither fibers nor tonic.
//! - [`directory`] connects it: the one place that waits for a future.
//! - [`proto`] is what `tonic-prost-build` would generate, written by hand so that no protoc is needed.
//! - [`service`] implements the generated trait and mounts the server behind a [`FiberLayer`](tower_fiber::FiberLayer).

pub mod business;
pub mod directory;
pub mod proto;
pub mod service;
