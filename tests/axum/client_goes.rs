//! A request that is dropped while its handler waits.

use std::sync::Arc;

use axum::{Router, routing::get};
use tokio::sync::{Semaphore, mpsc};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, axum::fiber_with};

use crate::harness::{get as fetch, on_each_runtime};

/// Drops a request once its handler waits; gives what the handler reports, in order.
async fn drop_a_request(policy: OnDrop) -> Vec<&'static str> {
    let layer = FiberLayer::builder().on_drop(policy).build().unwrap();
    let (reports, mut reported) = mpsc::unbounded_channel();
    let answer = Arc::new(Semaphore::new(0));
    let inside = Arc::clone(&answer);
    let handler = move || {
        let _dropped = ReportOnDrop(reports.clone());
        let answer = async {
            reports.send("waits").unwrap();
            inside.acquire().await.unwrap().forget();
        };
        answer.wait();
        reports.send("goes on").unwrap();
    };
    let app: Router = Router::new().route("/", get(fiber_with(&layer, handler)));
    let client = tokio::spawn(async move { fetch(&app, "/").await });
    let mut seen = vec![reported.recv().await.unwrap()];
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    if policy == OnDrop::Finish {
        answer.add_permits(1);
    }
    while seen.last() != Some(&"is dropped") {
        seen.push(reported.recv().await.unwrap());
    }
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
        assert_eq!(drop_a_request(OnDrop::Finish).await, ["waits", "goes on", "is dropped"]);
    });
}

#[test]
fn it_unwinds_if_the_layer_says_so() {
    on_each_runtime(|| async {
        assert_eq!(drop_a_request(OnDrop::Unwind).await, ["waits", "is dropped"]);
    });
}
