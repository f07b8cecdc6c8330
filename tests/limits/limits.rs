//! Concurrency limits.

use axum::{Router, body::Body, extract::Request, routing::get};
use tokio::task::yield_now;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, limit::GlobalConcurrencyLimitLayer};

use crate::harness::{any, each};

#[test]
fn limit_over_inner_limit() {
    each(1, |limited| async move {
        let inner = ServiceBuilder::new().concurrency_limit(1).service(limited.service());
        limited.all_end(any(limited.layer.layer(inner)), 2).await;
    });
}

#[test]
fn limit_over_a_narrower_one() {
    each(100, |limited| async move {
        let inner = ServiceBuilder::new().concurrency_limit(10).service(limited.service());
        limited.all_end(any(limited.layer.layer(inner)), 200).await;
    });
}

#[test]
fn limit_over_a_wider_one() {
    each(2, |limited| async move {
        let inner = ServiceBuilder::new().concurrency_limit(10).service(limited.service());
        limited.all_end(any(limited.layer.layer(inner)), 50).await;
    });
}

#[test]
fn limit_under_another() {
    for outer in [1, 3, 10] {
        each(3, move |limited| async move {
            let inner = limited.layer.layer(limited.service());
            limited.all_end(any(ServiceBuilder::new().concurrency_limit(outer).service(inner)), 30).await;
        });
    }
}

#[test]
fn limit_between_two_that_are_one() {
    each(3, |limited| async move {
        // The outer call needs two permits of three.
        let limit = GlobalConcurrencyLimitLayer::new(30);
        let inner = limit.layer(limited.service());
        limited.all_end(any(limit.layer(limited.layer.layer(inner))), 15).await;
    });
}

#[test]
fn requests_through_eight_over_a_global_limit_of_two() {
    each(8, |limited| async move {
        let limit = GlobalConcurrencyLimitLayer::new(2);
        let calls: Vec<_> =
            (0..20).map(|n| tokio::spawn(limited.layer.layer(limit.layer(limited.service())).oneshot(n))).collect();
        for call in calls {
            assert!(call.await.unwrap().is_ok());
        }
        limited.assert_bound(1).await;
    });
}

#[test]
fn axum_requests_through_eight_over_a_global_limit_of_two() {
    each(8, |limited| async move {
        let looks = limited.clone();
        let handler = async move || {
            yield_now().await;
            looks.synchronous();
            yield_now().await;
            "done"
        };
        let layers = ServiceBuilder::new().layer(limited.layer.clone()).layer(GlobalConcurrencyLimitLayer::new(2));
        let app = Router::new().route("/", get(handler)).layer(layers);
        let requests: Vec<_> =
            (0..20).map(|_| tokio::spawn(app.clone().oneshot(Request::new(Body::empty())))).collect();
        for request in requests {
            assert!(request.await.unwrap().unwrap().status().is_success());
        }
        limited.assert_bound(1).await;
    });
}
