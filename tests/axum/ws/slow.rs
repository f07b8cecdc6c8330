//! A side that is slower than the other.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::extract::ws::Message;
use futures_util::SinkExt as _;
use tokio::sync::{mpsc, watch};
use tower_fiber::{WaitExt as _, yield_now};

use crate::ws::harness::{Server, on_each_runtime};

const SIZE: usize = 256 << 10;
const MEGABYTE: usize = 1 << 20;

/// A message with a number.
fn large(n: usize) -> String {
    format!("{n} {}", "x".repeat(SIZE))
}

fn number(text: &str) -> usize {
    assert!(text.len() > SIZE);
    text.split_once(' ').unwrap().0.parse().unwrap()
}

/// Lets all others run until they have nothing left to do.
async fn others_run() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_client() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let waited = Arc::new(AtomicUsize::new(0));
        let inside = Arc::clone(&waited);
        let server = Server::of(move |mut socket| {
            let sender = socket.sender();
            let mut sent = 0;
            let mut refused = 0;
            let mut message = Message::from(large(sent));
            // The queue is emptied into the socket as long as there is room, which may take the other thread a while.
            let full = loop {
                match sender.try_send(message) {
                    Ok(()) => {
                        (sent, refused) = (sent + 1, 0);
                        message = large(sent).into();
                    }
                    Err(error) if refused == 10_000 => break error,
                    Err(error) => {
                        refused += 1;
                        message = error.into_message();
                    }
                }
                yield_now();
            };
            assert!(full.is_full() && !full.is_closed(), "{full}");
            report.send(sent).unwrap();
            // It waits; what was refused is the next to go.
            socket.send(full.into_message()).unwrap();
            inside.store(1, Ordering::Relaxed);
            socket.recv();
        })
        .await;
        let mut client = server.client().await;
        let sent = reports.recv().await.unwrap();
        assert!(sent >= 64, "the queue has room for 64: {sent}");
        assert!(sent * SIZE < 64 * MEGABYTE, "{sent}");
        others_run().await;
        assert_eq!(waited.load(Ordering::Relaxed), 0, "nobody has read");
        for n in 0..=sent {
            assert_eq!(number(&client.text().await), n);
        }
        client.close(1000, "").await;
        client.closed().await;
        assert_eq!(waited.load(Ordering::Relaxed), 1);
        server.drained().await;
    });
}

#[test]
fn the_function() {
    on_each_runtime(|| async {
        let (release, released) = watch::channel(false);
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |socket| {
            released.clone().wait_for(|released| *released).wait().unwrap();
            for message in socket {
                report.send(number(message.to_text().unwrap())).unwrap();
            }
        })
        .await;
        let mut client = server.client().await;
        let mut sent = 0;
        // The server stops reading, so that in the end the client cannot write.
        loop {
            let send = client.0.send(large(sent).into());
            tokio::select! {
                biased;
                result = send => result.unwrap(),
                () = others_run() => break,
            }
            sent += 1;
            assert!(sent * SIZE < 64 * MEGABYTE, "{sent}");
        }
        release.send(true).unwrap();
        client.close(1000, "").await;
        client.closed().await;
        for n in 0..=sent {
            assert_eq!(reports.recv().await, Some(n));
        }
        server.drained().await;
        assert!(reports.try_recv().is_err());
    });
}
