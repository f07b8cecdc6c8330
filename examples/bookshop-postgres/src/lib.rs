//! The bookshop on PostgreSQL, by the pure-Rust driver of diesel-async.
//!
//! The shop is the source of `bookshop`, which runs on SQLite: each module but one is that file, as it is. [`db`] is
//! what differs.

#[path = "../../bookshop/src/bridge.rs"]
pub mod bridge;
pub mod db;
#[path = "../../bookshop/src/legacy/mod.rs"]
pub mod legacy;
#[path = "../../bookshop/src/program.rs"]
pub mod program;
#[path = "../../bookshop/src/settings.rs"]
pub mod settings;
#[path = "../../bookshop/src/warehouse.rs"]
pub mod warehouse;
#[path = "../../bookshop/src/web/mod.rs"]
pub mod web;
