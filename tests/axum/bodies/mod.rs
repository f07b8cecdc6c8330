//! Compressors, archives, tables and documents over the bodies of requests and responses, however these end: right
//! bytes or a clear error, the process lives, and nothing is left.
//!
//! Each format is written and read, over HTTP/1.1 and HTTP/2 sockets, on each kind of runtime, and ended in each way.

mod download;
mod ends;
mod formats;
mod upload;

use crate::sockets::{Version, on_each_version};
use ends::End;
use formats::{FORMATS, Format};

/// One function, so that a format that is added is tested in each way.
fn for_each<F: Future<Output = ()>>(ends: &[End], test: impl Fn(&'static Format, End, Version) -> F) {
    on_each_version(async |version| {
        for format in &FORMATS {
            for &end in ends {
                println!("{} {end:?}", format.name);
                test(format, end, version).await;
            }
        }
    });
}

#[test]
fn responses_end_normally() {
    for_each(&[End::Normal], download::end);
}

#[test]
fn responses_are_reset() {
    for_each(&End::RESETS, download::end);
}

#[test]
fn responses_end_by_a_panic() {
    for_each(&[End::Panic], download::end);
}

#[test]
fn responses_are_cancelled() {
    for_each(&End::CANCELS, download::end);
}

#[test]
fn requests_end_normally() {
    for_each(&[End::Normal], upload::end);
}

#[test]
fn requests_are_reset() {
    for_each(&End::RESETS, upload::end);
}

#[test]
fn requests_end_by_a_panic() {
    for_each(&[End::Panic], upload::end);
}

#[test]
fn requests_are_cancelled() {
    for_each(&End::CANCELS, upload::end);
}
