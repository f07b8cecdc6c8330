//! redis in fibers, on a real server.

#[path = "../common/mod.rs"]
mod common;

mod at_once;
mod cancelled;
mod errors;
mod messages;
mod same;
mod shared;

use std::time::Duration;

use redis::Client;

/// Long, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(60);

/// None if there is no server. Each test has keys of its own.
fn client() -> Option<Client> {
    let server = servers::redis()?;
    Some(Client::open(format!("redis://127.0.0.1:{}/", server.port)).unwrap())
}
