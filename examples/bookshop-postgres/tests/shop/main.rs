//! The shop over a real socket: the tests of the bookshop on SQLite, as they are, and what happens when connections
//! break.

extern crate self as bookshop;

use bookshop_postgres::{bridge, legacy, warehouse, web};

#[path = "../../../bookshop/tests/shop/bad_input.rs"]
mod bad_input;
mod broken;
#[path = "../../../bookshop/tests/shop/checkout.rs"]
mod checkout;
#[path = "../db/mod.rs"]
mod db;
#[path = "../../../bookshop/tests/harness/mod.rs"]
mod harness;
#[path = "../../../bookshop/tests/shop/pages.rs"]
mod pages;
mod plain;
#[path = "../../../bookshop/tests/shop/post.rs"]
mod post;
#[path = "../../../bookshop/tests/shop/rows.rs"]
mod rows;
#[path = "../../../bookshop/tests/shop/supplier.rs"]
mod supplier;
