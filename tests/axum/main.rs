//! axum: the layer around async handlers, plain functions as handlers, and the bodies and websockets that they read and
//! write.
#![cfg(feature = "axum")]

#[path = "../support/child.rs"]
mod child;
#[cfg(feature = "tracing")]
#[path = "../support/events.rs"]
mod logged;
#[path = "../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
#[path = "../support/system.rs"]
mod system;

mod blocking;
mod bodies;
mod body_read;
mod body_written;
mod client_goes;
mod context_follows;
mod defaults;
mod disconnects;
mod events;
mod extractors;
#[cfg(target_os = "linux")]
mod gigabytes;
mod gone;
mod harness;
mod hundred_at_once;
#[cfg(feature = "insight")]
mod insight;
mod layer;
mod middleware;
mod middleware_scope;
mod overload;
mod panics;
mod rejections;
#[cfg(feature = "tracing")]
mod reports;
#[cfg(target_os = "linux")]
mod resets;
mod routing;
mod settings;
mod shutdown;
mod sockets;
mod uploads;
#[cfg(feature = "ws")]
mod ws;
