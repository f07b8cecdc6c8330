//! Middleware inside middleware, layers in between, shields, and calls that begin late.

use std::{convert::Infallible, time::Duration};

use axum::{
    BoxError, Router, error_handling::HandleErrorLayer, extract::Request, http::StatusCode, middleware::from_fn,
    routing::get,
};
use tokio::task::yield_now;
use tower::{ServiceBuilder, timeout::TimeoutLayer};
use tower_fiber::{
    FiberLayer, FiberPool, OnDrop, WaitExt as _,
    axum::{CallerGone, Next, fiber_with, from_sync_fn, from_sync_fn_with},
    offload, shield, until_caller_gone,
};

use super::{Goes, leave, lingers, script};
use crate::{
    harness::{get as fetch, on_each_runtime},
    support::both_on_drop,
};

#[test]
fn middleware_inside_middleware() {
    on_each_runtime(|| async {
        for (policy, middle) in
            [(OnDrop::Finish, "middle saw 499"), (OnDrop::Cancel, "middle saw 499"), (OnDrop::Unwind, "middle dropped")]
        {
            for layer in both_on_drop(policy) {
                let (script, mut watch) = script();
                let app = Router::new()
                    .route("/", script.asynchronous())
                    .layer(from_sync_fn_with(&layer, script.plain("middle")))
                    .layer(from_sync_fn(script.plain("outside")));
                drop(script);
                leave(app, Goes::Client, &mut watch).await;
                assert_eq!(watch.rest().await, ["handler dropped", middle, "outside saw 499"], "{policy:?}");
            }
        }
    });
}

#[test]
fn an_async_layer_in_between_is_dropped_when_the_handler_has_finished() {
    on_each_runtime(|| async {
        for layer in both_on_drop(OnDrop::Finish) {
            let (script, mut watch) = script();
            let between = script.clone();
            let app = Router::new()
                .route("/", script.in_fiber(&layer, OnDrop::Finish))
                .layer(from_fn(move |request, next| lingers(between.clone(), request, next)))
                .layer(from_sync_fn_with(&layer, script.plain("outside")));
            drop(script);
            leave(app, Goes::Client, &mut watch).await;
            assert_eq!(watch.next().await, "handler is told");
            watch.open.send(true).unwrap();
            assert_eq!(watch.next().await, "handler finished");
            assert_eq!(watch.rest().await, ["between dropped", "outside saw 499"]);
        }
    });
}

#[test]
fn a_router_in_a_layer_of_its_own() {
    on_each_runtime(|| async {
        for (outer, inner) in both_on_drop(OnDrop::Finish).into_iter().zip(both_on_drop(OnDrop::Finish)) {
            for finishes in [false, true] {
                let (script, mut watch) = script();
                let handler = if finishes { script.in_fiber(&inner, OnDrop::Finish) } else { script.asynchronous() };
                let app = Router::new()
                    .route("/", handler)
                    .layer(outer.clone())
                    .layer(from_sync_fn_with(&outer, script.plain("outside")));
                drop(script);
                leave(app, Goes::Client, &mut watch).await;
                if finishes {
                    assert_eq!(watch.next().await, "handler is told");
                    watch.open.send(true).unwrap();
                    assert_eq!(watch.rest().await, ["handler finished", "outside saw the response"]);
                } else {
                    assert_eq!(watch.rest().await, ["handler dropped", "outside saw 499"]);
                }
                outer.handle().drained().await;
                assert_eq!(outer.handle().counters().leaked, 0);
            }
        }
    });
}

#[test]
fn calls_on_another_pool_go_on_alone() {
    on_each_runtime(|| async {
        let pool = FiberPool::builder().worker_threads(1).build().unwrap();
        let inner = FiberLayer::builder().placement(pool).build().unwrap();
        let (script, mut watch) = script();
        let app = Router::new()
            .route("/", script.in_fiber(&inner, OnDrop::Finish))
            .layer(from_sync_fn(script.plain("outside")));
        drop(script);
        leave(app, Goes::Client, &mut watch).await;
        let mut seen = [watch.next().await, watch.next().await];
        seen.sort();
        assert_eq!(seen, ["handler is told", "outside saw 499"]);
        watch.open.send(true).unwrap();
        assert_eq!(watch.rest().await, ["handler finished"]);
    });
}

#[test]
fn a_shield_waits_for_the_response() {
    on_each_runtime(|| async {
        for layer in both_on_drop(OnDrop::Unwind) {
            let (script, mut watch) = script();
            let function = script.plain("outside");
            let shielded = move |request: Request, next: Next| shield(|| function(request, next));
            let app = Router::new().route("/", script.asynchronous()).layer(from_sync_fn_with(&layer, shielded));
            drop(script);
            leave(app, Goes::Client, &mut watch).await;
            watch.open.send(true).unwrap();
            assert_eq!(watch.next().await, "handler finished");
            assert_eq!(watch.rest().await, ["outside saw the response"]);
        }
    });
}

#[test]
fn nothing_begins_when_the_caller_has_gone_before() {
    on_each_runtime(|| async {
        for layer in both_on_drop(OnDrop::Finish) {
            let (script, mut watch) = script();
            let late = script.plain("outside");
            let begins = script.clone();
            let function = move |request: Request, next: Next| {
                begins.log("handler begins");
                until_caller_gone().wait();
                late(request, next)
            };
            let handler = || -> Result<(), Infallible> { panic!("nobody waits for it") };
            let app = Router::new()
                .route("/", get(fiber_with(&layer, move || handler().is_ok().to_string())))
                .layer(from_sync_fn_with(&layer, function));
            drop(script);
            leave(app, Goes::Client, &mut watch).await;
            assert_eq!(watch.rest().await, ["outside saw 499"]);
            layer.handle().drained().await;
        }
    });
}

/// `next` may be run on a thread that may block, too.
#[test]
fn it_runs_below_offload() {
    on_each_runtime(|| async {
        for layer in both_on_drop(OnDrop::Finish) {
            let (script, mut watch) = script();
            let function = script.plain("outside");
            let offloaded = move |request: Request, next: Next| {
                let function = function.clone();
                offload(move || function(request, next))
            };
            let app = Router::new().route("/", script.asynchronous()).layer(from_sync_fn_with(&layer, offloaded));
            drop(script);
            leave(app, Goes::Client, &mut watch).await;
            assert_eq!(watch.rest().await, ["handler dropped", "outside saw 499"]);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_time_out_of_towers_cancels_the_handlers_below() {
    for (layer, outer) in both_on_drop(OnDrop::Cancel).into_iter().zip(both_on_drop(OnDrop::Finish)) {
        let (script, mut watch) = script();
        let elapsed = HandleErrorLayer::new(async |_: BoxError| StatusCode::REQUEST_TIMEOUT);
        let time_out = ServiceBuilder::new().layer(elapsed).layer(TimeoutLayer::new(Duration::from_secs(30)));
        let app = Router::new()
            .route("/", script.in_fiber(&layer, OnDrop::Cancel))
            .layer(from_sync_fn_with(&outer, script.plain("outside")))
            .layer(time_out);
        drop(script);
        assert_eq!(fetch(&app, "/").await.0, StatusCode::REQUEST_TIMEOUT);
        drop(app);
        assert_eq!(watch.next().await, "handler begins");
        assert_eq!(watch.rest().await, ["handler cancelled", "outside saw 499"]);
    }
}

/// A loop that does not look for the mark is not endless for its thread: it yields.
#[test]
fn a_retry_ends_by_the_mark() {
    on_each_runtime(|| async {
        for layer in both_on_drop(OnDrop::Finish) {
            let (script, mut watch) = script();
            let log = script.clone();
            let retry = move |_: Request, next: Next| {
                for tries in 1.. {
                    let response = next.clone().run(Request::default());
                    if response.extensions().get::<CallerGone>().is_some() {
                        log.log(&format!("gone at try {tries}"));
                        return response;
                    }
                }
                unreachable!("it tries until the caller has gone")
            };
            let app = Router::new()
                .route("/", script.asynchronous())
                .layer(from_fn(async |request, next: axum::middleware::Next| {
                    yield_now().await;
                    next.run(request).await
                }))
                .layer(from_sync_fn_with(&layer, retry));
            drop(script);
            leave(app, Goes::Client, &mut watch).await;
            assert_eq!(watch.rest().await, ["gone at try 1", "handler dropped"]);
        }
    });
}
