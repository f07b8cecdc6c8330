//! redis' synchronous client, with a connection for each caller and with one for all.

mod common;

use std::time::Duration;

use common::{at_once, both, on_one_thread, overlap};
use unmodified::{CALLERS, libraries};

fn url() -> Option<String> {
    servers::redis().map(|server| format!("redis://127.0.0.1:{}/", server.port))
}

#[test]
fn a_connection_for_each() {
    let Some(url) = url() else { return };
    overlap(&libraries::redis(&url).unwrap());
}

/// Callers wait for the mutex while its holder waits on the same thread, and others go on.
#[test]
fn one_in_a_mutex_for_all() {
    const EACH: Duration = Duration::from_millis(5);

    let Some(url) = url() else { return };
    on_one_thread(async {
        for layer in both() {
            let shared = libraries::redis_in_mutex(&url).unwrap();
            let others = layer.clone();
            let sleep = libraries::sleep();
            let (commands, others) = tokio::join!(
                at_once(&layer, CALLERS, EACH, &shared),
                // Another layer's fibers are others on the same thread only if it has the same pool.
                at_once(&others, 1, EACH, &sleep),
            );
            assert!(commands >= EACH * CALLERS.try_into().unwrap(), "{commands:?} for {CALLERS} on one connection");
            assert!(others < commands, "a fiber that needs no connection took {others:?}, the others {commands:?}");
        }
    });
}
