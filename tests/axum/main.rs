//! axum: the layer around async handlers, and plain functions as handlers.
#![cfg(feature = "axum")]

#[cfg(all(feature = "lint", target_os = "linux"))]
#[path = "../support/child.rs"]
mod child;

mod blocking;
mod body_read;
mod body_written;
mod client_goes;
mod disconnects;
mod events;
mod extractors;
mod harness;
mod hundred_at_once;
mod layer;
mod middleware;
mod middleware_scope;
mod overload;
mod panics;
mod rejections;
mod routing;
mod settings;
mod sockets;
