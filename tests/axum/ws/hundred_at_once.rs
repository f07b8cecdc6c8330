//! A hundred websockets, each with a function that waits.

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};
use tower_fiber::WaitExt as _;

use crate::ws::harness::{Server, close, on_each_runtime};

#[test]
fn on_one_thread_and_on_more() {
    on_each_runtime(|| async {
        let all = Arc::new(Barrier::new(100));
        let server = Server::of(move |mut socket| {
            for message in socket.by_ref().take(10).collect::<Vec<_>>() {
                // Nobody goes on before all are here.
                all.wait().wait();
                socket.send(message).unwrap();
            }
        })
        .await;
        let mut clients = JoinSet::new();
        for n in 0..100 {
            let mut client = server.client().await;
            clients.spawn(async move {
                for round in 0..10 {
                    client.send(format!("{n} {round}")).await;
                }
                for round in 0..10 {
                    assert_eq!(client.text().await, format!("{n} {round}"));
                }
                assert_eq!(client.closed().await, close(1000, ""));
            });
        }
        clients.join_all().await;
        server.drained().await;
        assert_eq!(server.layer.handle().counters(), Default::default());
    });
}
