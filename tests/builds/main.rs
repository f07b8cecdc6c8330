//! What the compiler makes of programs, and what the sources name.

#[path = "../support/child.rs"]
mod child;

mod abort;
mod error_codes;
mod named_paths;
mod ui;
