//! diesel in fibers, on a real PostgreSQL.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/schema.rs"]
mod schema;

mod at_once;
mod cancelled;
mod errors;
mod shop;
