//! What the server's log says of a websocket that is cut because its close takes too long.

use std::time::Duration;

use tower_fiber::{FiberLayer, axum::SyncWebSocket, yield_now};

use crate::{
    logged::Warnings,
    ws::{
        harness::{Client, Server, with_ticking_time},
        raw::{FIN, masked},
    },
};

/// The warnings while a client that reads no more has a websocket of `f`.
fn warnings_of(
    f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static,
    last: impl AsyncFnOnce(&mut Client),
) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        with_ticking_time(|| async {
            let layer = FiberLayer::builder().name("chat").build().unwrap();
            let server = Server::with(layer, |ws| ws, f).await;
            let mut client = server.client().await;
            last(&mut client).await;
            server.drained().await;
            tokio::time::sleep(Duration::from_secs(11)).await;
        });
    });
    warnings.take()
}

#[track_caller]
fn is_one(warnings: &[String], text: &str) {
    let [warning] = warnings else { panic!("one: {warnings:?}") };
    assert!(warning.contains("service=\"chat\"") && warning.contains(text), "{warning}");
}

#[test]
fn without_an_answer() {
    is_one(&warnings_of(|mut socket| socket.close(1000, ""), async |_| ()), "has not answered the close in time");
    is_one(&warnings_of(drop, async |_| ()), "has not answered the close in time");
}

#[test]
fn with_messages_that_were_not_read() {
    fn flood(socket: SyncWebSocket) {
        while socket.sender().try_send("x".repeat(256 << 10)).is_ok() {
            yield_now();
        }
    }

    is_one(&warnings_of(flood, async |_| ()), "has not read in time what was sent last");
}

#[test]
fn not_one_that_answers_or_is_gone() {
    let warnings = warnings_of(drop, async |client| assert_eq!(client.closed().await.0, 1000));
    assert_eq!(warnings, [""; 0]);
    let hang_up = async |client: &mut Client| {
        tokio::io::AsyncWriteExt::write_all(client.0.get_mut(), &masked(FIN | 8, b"")).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(client.0.get_mut()).await.unwrap();
    };
    assert_eq!(warnings_of(|mut socket| _ = socket.recv(), hang_up), [""; 0]);
}
