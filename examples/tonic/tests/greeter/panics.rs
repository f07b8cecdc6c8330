//! A panic of the synchronous code fails its own call only.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tower_fiber::{Counters, FiberLayer, WaitExt as _};

use crate::harness::{Asks, client, greet, on_each_runtime};

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
