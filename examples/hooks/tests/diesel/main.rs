//! diesel in fibers, on a real PostgreSQL; and on SQLite, whose queries run on other threads.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/schema.rs"]
mod schema;

mod at_once;
mod cancelled;
mod errors;
mod shop;
mod sqlite_cut_in_query;
