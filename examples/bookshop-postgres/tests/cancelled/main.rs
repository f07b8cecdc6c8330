//! Callers that go while their requests are in the middle of a transaction.

extern crate self as bookshop;

use bookshop_postgres::legacy;

#[path = "../db/mod.rs"]
mod db;
mod everywhere;
#[path = "../../../bookshop/tests/cancelled.rs"]
mod on_any_database;
mod panics;
