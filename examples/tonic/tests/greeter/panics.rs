//! A panic of the synchronous code fails its own call only.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::{Status, codegen::tokio_stream};
use tower_fiber::{Counters, FiberLayer, WaitExt as _};

use crate::{
    harness::{Asks, all_ended, client, client_of, greet, hello, on_each_runtime},
    probe::Probe,
};

#[test]
fn other_calls_of_the_connection_go_on() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (asked, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inside = (Arc::clone(&asked), Arc::clone(&answer));
        let directory = Asks(move |name: &str| {
            match name {
                "before" => panic!("a bug, before it waits"),
                "after" => {
                    tokio::task::yield_now().wait();
                    panic!("a bug, after it has waited")
                }
                _ => {
                    inside.0.add_permits(1);
                    inside.1.acquire().wait().unwrap().forget();
                }
            }
            Ok(Some("Countess".to_owned()))
        });
        let client = client(&layer, directory).await;
        let waiting = tokio::spawn(greet(client.clone(), "Ada"));
        asked.acquire().await.unwrap().forget();
        for name in ["before", "after"] {
            let status = greet(client.clone(), name).await.unwrap_err();
            assert!(!status.message().contains("a bug"), "a panic's text is not for clients: {status}");
        }
        answer.add_permits(2);
        assert_eq!(waiting.await.unwrap().unwrap(), "Good day, Countess Ada");
        assert_eq!(greet(client, "Alan").await.unwrap(), "Good day, Countess Alan");
        assert_eq!(layer.handle().counters(), Counters::default());
    });
}

#[test]
fn in_streams_as_well() {
    let bug = || tokio_stream::iter(["panic"].map(hello));
    let is_vague = |status: Status| assert!(!status.message().contains("a bug"), "{status}");
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (probe, _reports) = Probe::new(&layer);
        let mut client = client_of(probe.routes()).await;
        is_vague(client.greet_all(bug()).await.unwrap_err());
        // After the first reply, which the reset of the stream may overtake.
        let mut replies = client.watch(hello("panic")).await.unwrap().into_inner();
        let status = match replies.message().await {
            Ok(_) => replies.message().await.unwrap_err(),
            Err(status) => status,
        };
        is_vague(status);
        let mut replies = client.chat(bug()).await.unwrap().into_inner();
        is_vague(replies.message().await.unwrap_err());
        // The same connection goes on.
        assert_eq!(greet(client, "Ada").await.unwrap(), "Ada");
        all_ended(&layer.handle()).await;
    });
}
