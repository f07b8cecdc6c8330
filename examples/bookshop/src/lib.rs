//! A small web shop as a legacy code base would have it, served by [`tower_fiber`].
//!
//! [`legacy`] is the shop: synchronous queries, synchronous templates, a synchronous supplier.
//! [`bridge`] is the one file that connects it to asynchronous drivers. [`web`] mounts plain
//! functions as axum handlers. [`warehouse`] is the supplier, an ordinary asynchronous server.

pub mod bridge;
pub mod db;
pub mod legacy;
pub mod program;
pub mod settings;
pub mod warehouse;
pub mod web;
