//! One layer's settings for all handlers and middleware of a router.

use std::io::Write as _;

use axum::{Router, extract::Request, middleware::from_fn, routing::get};
use tower_fiber::{
    FiberLayer, OnDrop,
    axum::{
        Next, blocking, fiber, fiber_defaults, fiber_with, from_sync_fn, from_sync_fn_with, from_sync_fn_with_state,
        write_body,
    },
};

use crate::{
    gone::{Goes, leave, script},
    harness::{get as fetch, ok, on_each_runtime, waited},
};

fn named(name: &str) -> FiberLayer {
    FiberLayer::builder().name(name).on_drop(OnDrop::Cancel).build().unwrap()
}

#[test]
fn handlers_and_middleware_without_a_layer_take_them() {
    on_each_runtime(|| async {
        let [all, own] = ["all", "own"].map(named);
        // The middleware and the handler of one request.
        let handle = all.handle();
        let counts = move || waited(handle.live()).to_string();
        let handle = own.handle();
        let own_counts = move || waited(handle.live()).to_string();
        let pass = |request: Request, next: Next| next.run(request);
        let app: Router = Router::new()
            .route("/", get(fiber(counts.clone())))
            .route("/own", get(fiber_with(&own, own_counts)))
            .route("/blocking", get(blocking(|| "blocks")))
            .layer(from_sync_fn(pass))
            .layer(from_fn(async |request, next: axum::middleware::Next| next.run(request).await))
            .layer(from_sync_fn_with_state((), pass))
            .layer(fiber_defaults(&all))
            // Not below the settings.
            .route("/outside", get(fiber(counts)));
        assert_eq!(fetch(&app, "/").await, ok("3"));
        assert_eq!(fetch(&app, "/own").await, ok("1"));
        assert_eq!(fetch(&app, "/blocking").await, ok("blocks"));
        assert_eq!(fetch(&app, "/outside").await, ok("0"));
        for layer in [all, own] {
            layer.handle().drained().await;
            assert_eq!(layer.handle().live(), 0);
        }
    });
}

#[test]
fn those_of_a_part_replace_those_of_the_whole() {
    on_each_runtime(|| async {
        let [whole, part] = ["whole", "part"].map(named);
        let handles = [whole.handle(), part.handle()];
        let counts = move || waited(format!("{} {}", handles[0].live(), handles[1].live()));
        let nested = Router::new().route("/", get(fiber(counts.clone()))).layer(fiber_defaults(&part));
        let app: Router =
            Router::new().route("/", get(fiber(counts))).nest("/part", nested).layer(fiber_defaults(&whole));
        assert_eq!(fetch(&app, "/").await, ok("1 0"));
        assert_eq!(fetch(&app, "/part").await, ok("0 1"));
    });
}

#[test]
fn middleware_with_a_layer_keeps_it() {
    on_each_runtime(|| async {
        let [all, own] = ["all", "own"].map(named);
        let handles = [all.handle(), own.handle()];
        let pass = |request: Request, next: Next| next.run(request);
        let app: Router = Router::new()
            .route("/", get(fiber(move || waited(format!("{} {}", handles[0].live(), handles[1].live())))))
            .layer(from_sync_fn_with(&own, pass))
            .layer(fiber_defaults(&all));
        assert_eq!(fetch(&app, "/").await, ok("1 1"));
    });
}

#[test]
fn the_body_of_a_handler_has_them_too() {
    on_each_runtime(|| async {
        let all = named("all");
        let handle = all.handle();
        let counts = move || {
            let handle = handle.clone();
            write_body(move |w| write!(w, "{}", waited(handle.live())))
        };
        let app: Router = Router::new().route("/", get(fiber(counts))).layer(fiber_defaults(&all));
        assert_eq!(fetch(&app, "/").await, ok("1"));
    });
}

#[test]
fn one_line_sets_the_policy_for_all() {
    on_each_runtime(|| async {
        for (policy, expected) in [
            (OnDrop::Cancel, ["handler cancelled", "outside saw 499"]),
            (OnDrop::Unwind, ["handler dropped", "outside dropped"]),
        ] {
            let layer = FiberLayer::builder().on_drop(policy).build().unwrap();
            let (script, mut watch) = script();
            let app = Router::new()
                .route("/", get(fiber(script.synchronous(policy))))
                .layer(from_sync_fn(script.plain("outside")))
                .layer(fiber_defaults(&layer));
            drop(script);
            leave(app, Goes::Client, &mut watch).await;
            assert_eq!(watch.rest().await, expected);
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().leaked, 0);
        }
    });
}
