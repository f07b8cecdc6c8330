//! A client that cancels its call while synchronous code waits.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _};

use crate::harness::{Asks, client, greet, on_each_runtime};

/// Cancels a call once it waits; gives what the synchronous code reports, in order.
async fn cancel_a_call(policy: OnDrop) -> Vec<&'static str> {
    let layer = FiberLayer::new().on_drop(policy);
    let (reports, mut reported) = mpsc::unbounded_channel();
    let answer = Arc::new(Semaphore::new(0));
    let inside = Arc::clone(&answer);
    let directory = Asks(move |_: &str| {
        let _dropped = ReportOnDrop(reports.clone());
        let answer = async {
            reports.send("waits").unwrap();
            inside.acquire().await.unwrap().forget();
        };
        answer.wait();
        reports.send("goes on").unwrap();
        Ok(None)
    });
    let client = client(&layer, directory).await;
    let call = tokio::spawn(greet(client.clone(), "Ada"));
    let mut seen = vec![reported.recv().await.unwrap()];
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    if policy == OnDrop::Finish {
        answer.add_permits(1);
    }
    while seen.last() != Some(&"is dropped") {
        seen.push(reported.recv().await.unwrap());
    }
    drop(client);
    seen
}

struct ReportOnDrop(mpsc::UnboundedSender<&'static str>);

impl Drop for ReportOnDrop {
    fn drop(&mut self) {
        _ = self.0.send("is dropped");
    }
}

#[test]
fn it_runs_to_its_end_by_default() {
    on_each_runtime(|| async {
        assert_eq!(cancel_a_call(OnDrop::Finish).await, ["waits", "goes on", "is dropped"]);
    });
}

#[test]
fn it_unwinds_if_the_layer_says_so() {
    on_each_runtime(|| async {
        assert_eq!(cancel_a_call(OnDrop::Unwind).await, ["waits", "is dropped"]);
    });
}
