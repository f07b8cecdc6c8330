//! Runs scripts from the fuzzer's bytes. What a script is, and what must hold, is in `tests/fuzz/driver`.

#![no_main]

use std::process::abort;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/driver/mod.rs"]
mod driver;

fuzz_target!(|bytes: &[u8]| {
    if let Err(failures) = driver::run_bytes(bytes) {
        eprintln!("{failures}");
        abort();
    }
});
