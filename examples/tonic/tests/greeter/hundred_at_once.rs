//! A hundred calls that wait 100 ms each, at once.

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::sleep};
use tower_fiber::{Counters, FiberLayer, await_in_fiber};

use crate::harness::{Asks, client, greet, on_each_runtime};

#[test]
fn they_take_less_than_a_second() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let directory = Asks(|name: &str| {
            await_in_fiber(sleep(Duration::from_millis(100)));
            Ok(Some(format!("Citizen {}", name.len())))
        });
        let client = client(&layer, directory).await;
        let started = Instant::now();
        let mut calls = JoinSet::new();
        for n in 0..100 {
            let client = client.clone();
            calls.spawn(async move { (n, greet(client, &"x".repeat(n + 1)).await.unwrap()) });
        }
        for (n, greeting) in calls.join_all().await {
            assert_eq!(greeting, format!("Good day, Citizen {} {}", n + 1, "x".repeat(n + 1)));
        }
        let took = started.elapsed();
        assert!(took < Duration::from_secs(1), "took {took:?}");
        assert_eq!(layer.handle().counters(), Counters::default());
    });
}
