//! ureq with its own transport, without TLS and with either library for it.

mod common;

use std::fs;

use common::overlap;
use unmodified::{libraries, peers};

#[test]
fn http() {
    overlap(&libraries::ureq(peers::start().unwrap().http));
}

/// The address of nginx, and whom to trust.
fn nginx() -> Option<(String, Vec<u8>)> {
    let nginx = servers::nginx()?;
    let ca = fs::read(nginx.directory.join("ca.pem")).unwrap();
    Some((format!("https://localhost:{}", nginx.port), ca))
}

#[test]
fn https_by_rustls() {
    let Some((url, ca)) = nginx() else { return };
    overlap(&libraries::ureq_by_rustls(&url, &ca, peers::start().unwrap().http).unwrap());
}

#[test]
fn https_by_native_tls() {
    let Some((url, ca)) = nginx() else { return };
    overlap(&libraries::ureq_by_native_tls(&url, &ca, peers::start().unwrap().http).unwrap());
}
