//! Handlers with the settings of a layer.

use axum::{Router, routing::get};
use tower_fiber::{
    Counters, FiberLayer, WaitExt as _,
    axum::{FiberHandler, SyncHandler, fiber, fiber_with, parts::HandlerSettings},
    in_fiber, try_await_in_fiber,
};

use crate::harness::{get as fetch, ok, on_each_runtime, waited};

#[test]
fn handlers_of_one_layer_share_its_counters() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().name("pages").build().unwrap();
        let app = Router::new();
        let (enter, mut entered) = tokio::sync::mpsc::channel(1);
        let (leave, left) = tokio::sync::watch::channel(false);
        let waits = move || {
            enter.send(()).wait().unwrap();
            left.clone().wait_for(|left| *left).wait().unwrap();
        };
        let handle = layer.handle();
        let counts = move || waited(handle.live()).to_string();
        let app: Router = app
            .route("/waits", get(fiber_with(&layer, waits)))
            .route("/counts", get(fiber_with(&layer, counts.clone())))
            .route("/other", get(fiber(counts)));
        assert_eq!(fetch(&app, "/counts").await, ok("1"));
        let waiting = app.clone();
        let waiting = tokio::spawn(async move { fetch(&waiting, "/waits").await });
        entered.recv().await.unwrap();
        assert_eq!(fetch(&app, "/counts").await, ok("2"));
        assert_eq!(fetch(&app, "/other").await, ok("1"));
        assert_eq!(layer.handle().counters().stacks_in_use, 1);
        leave.send(true).unwrap();
        assert_eq!(waiting.await.unwrap(), ok(""));
        assert_eq!(layer.handle().counters(), Counters::default());
    });
}

#[test]
fn refused_waits_are_counted_by_the_layer() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let nested = || async { try_await_in_fiber(async {}).is_err() }.wait().to_string();
        let app: Router = Router::new().route("/", get(fiber_with(&layer, nested)));
        assert_eq!(fetch(&app, "/").await, ok("true"));
        assert_eq!(layer.handle().counters().refused_waits, 1);
    });
}

#[test]
fn stacks_have_the_size_of_the_layer() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().stack_size(16 << 20).build().unwrap();
        // More than the default stack has.
        let uses_stack =
            || waited(std::hint::black_box([1_u8; 4 << 20])).iter().map(|&n| u64::from(n)).sum::<u64>().to_string();
        let app: Router = Router::new().route("/", get(fiber_with(&layer, uses_stack)));
        assert_eq!(fetch(&app, "/").await, ok((4 << 20).to_string()));
    });
}

#[test]
fn handlers_say_what_they_are() {
    let layer = FiberLayer::builder().name("pages").build().unwrap();
    fn hello() -> &'static str {
        "hello"
    }
    let handler = fiber_with::<_, _, ()>(&layer, hello);
    let text = format!("{:?}", handler);
    assert!(text.contains("hello") && text.contains("pages"), "{text}");
}

/// Code that takes handlers of either kind can name what they have in common.
fn route<F, T, L>(handler: FiberHandler<F, T, (), L>) -> Router
where
    F: SyncHandler<T, ()>,
    T: 'static,
    L: HandlerSettings,
{
    Router::new().route("/", get(handler))
}

#[test]
fn code_that_is_generic_over_the_settings() {
    on_each_runtime(|| async {
        let handler = || in_fiber().to_string();
        assert_eq!(fetch(&route(fiber(handler)), "/").await, ok("true"));
        assert_eq!(fetch(&route(fiber_with(&FiberLayer::new(), handler)), "/").await, ok("true"));
    });
}
