//! diesel in fibers, on a real PostgreSQL.

#[path = "../../../../examples/hooks/tests/common/mod.rs"]
mod common;
#[path = "../support/schema.rs"]
mod schema;

mod at_once;
mod cancelled;
mod errors;
mod isolation;
mod shop;
