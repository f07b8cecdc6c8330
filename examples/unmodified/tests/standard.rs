//! What std has, and libraries that need no server but a peer.

mod common;

use common::overlap;
use unmodified::{libraries, peers};

#[test]
fn sleep() {
    overlap(&libraries::sleep());
}

#[test]
fn net() {
    overlap(&libraries::net(peers::start().unwrap().echo));
}

#[test]
fn command() {
    overlap(&libraries::command());
}

#[test]
fn lettre() {
    overlap(&libraries::lettre(peers::start().unwrap().smtp));
}
