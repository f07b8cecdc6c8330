//! axum: the layer around async handlers, and plain functions as handlers.
#![cfg(feature = "axum")]

mod client_goes;
mod extractors;
mod harness;
mod hundred_at_once;
mod layer;
mod overload;
mod panics;
mod rejections;
mod routing;
mod settings;
