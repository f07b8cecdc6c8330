//! Fifty commands that block, at once on one thread.

use std::time::Duration;

use hooks::redis::FiberConnection;
use redis::Commands as _;

use super::{
    client,
    common::{on_one_thread, overlap},
};

#[test]
fn fifty_blocking_commands_at_once_on_one_thread() {
    on_one_thread(async {
        let Some(client) = client() else { return };
        overlap(move |caller, wait| {
            let conn = &mut FiberConnection::open_unlimited(&client).unwrap();
            // The server counts in milliseconds, and takes 0 for ever.
            let limit = wait + Duration::from_millis(10);
            let popped: Option<(String, String)> =
                conn.blpop(format!("nothing:{caller}"), limit.as_secs_f64()).unwrap();
            assert_eq!(popped, None);
        })
        .await;
    });
}
