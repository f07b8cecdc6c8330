//! The shop over a real socket: what it sells, what it refuses, what it shows.

#[path = "../harness/mod.rs"]
mod harness;

mod bad_input;
mod checkout;
mod pages;
mod plain;
mod post;
mod rows;
mod supplier;
