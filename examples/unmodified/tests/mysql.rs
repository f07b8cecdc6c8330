//! mysql with its own pool.

mod common;

use common::overlap;
use unmodified::{CALLERS, libraries};

fn url() -> Option<String> {
    servers::mariadb().map(|server| format!("mysql://root@127.0.0.1:{}/mysql", server.port))
}

#[test]
fn a_connection_for_each() {
    let Some(url) = url() else { return };
    overlap(&libraries::mysql(&url, CALLERS).unwrap());
}

/// Its pool waits on a `std` condition variable, so that callers without a connection wait in their fibers.
#[test]
fn ten_connections_for_fifty() {
    let Some(url) = url() else { return };
    overlap(&libraries::mysql(&url, 10).unwrap());
}
