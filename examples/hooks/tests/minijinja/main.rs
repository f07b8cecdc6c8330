//! Templates that wait in fibers.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../../crates/tower-fiber-diesel/tests/support/schema.rs"]
mod schema;

mod at_once;
mod cancelled;
mod errors;
mod library;
mod loader;
mod nested;

use std::time::Duration;

/// Long, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(60);
