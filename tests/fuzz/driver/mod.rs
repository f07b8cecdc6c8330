//! Runs scripts: many fibers, with foreign code at every point, from which nothing may be lost and by which nothing may
//! be broken.
//!
//! A script is data ([`script::Script`]), which any bytes are read as ([`bytes`]). What is left out, because it is a
//! documented price and ends the process, is a destructor that panics, or waits infallibly, while its thread panics;
//! see [`act`].

#![allow(dead_code, reason = "the fuzzer and each test use a part of it")]

mod act;
mod awaited;
pub(crate) mod bytes;
mod calls;
mod combine;
mod ending;
mod fiber;
mod gate;
mod hook;
mod host;
mod hosts;
mod ledger;
mod quiet;
pub(crate) mod script;
mod service;
mod stage;
mod steps;
mod value;
mod waker;
mod world;

use bytes::{Code as _, Reader};
use script::Script;
use stage::Stage;

#[allow(unused_imports, reason = "for tests that fail in their own words")]
pub(crate) use quiet::LOUD;

/// Runs the script that these bytes are, and says what was wrong.
pub(crate) fn run_bytes(bytes: &[u8]) -> Result<(), String> {
    let script = Script::read(&mut Reader::new(bytes));
    // For what ends the process.
    if std::env::var_os("TOWER_FIBER_PRINT_SCRIPT").is_some() {
        eprintln!("{script:#?}");
    }
    run(&script)
}

/// Runs a script and says what was wrong, so that nothing is left.
pub(crate) fn run(script: &Script) -> Result<(), String> {
    judge(script, |_| {})
}

/// As [`run`]; a fiber that is leaked is wrong, too.
pub(crate) fn run_whole(script: &Script) -> Result<(), String> {
    judge(script, Stage::forbid_leaks)
}

fn judge(script: &Script, look: fn(&Stage)) -> Result<(), String> {
    quiet::install();
    let stage = hosts::run(script);
    look(&stage);
    let mut failures = stage.ledger.failures();
    failures.extend(quiet::take_unexpected());
    if failures.is_empty() { Ok(()) } else { Err(format!("{}: {failures:#?}\n{script:#?}", quiet::LOUD)) }
}
