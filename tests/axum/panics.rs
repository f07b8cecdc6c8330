//! A panic in a handler reaches the task that serves the request, as an async handler's does.

use axum::{Router, routing::get};
use tower_fiber::{Counters, FiberLayer, axum::fiber_with, in_fiber};

use crate::harness::{get as fetch, ok, on_each_runtime, panic_of, waited};

#[test]
fn in_plain_handlers() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let app: Router = Router::new()
            .route("/at-once", get(fiber_with(&layer, || -> &str { panic!("at once") })))
            .route("/after", get(fiber_with(&layer, || -> &str { panic!("{}", waited("after")) })))
            .route("/fine", get(fiber_with(&layer, || waited("fine"))));
        assert_eq!(panic_of(&app, "/at-once").await, "at once");
        assert_eq!(panic_of(&app, "/after").await, "after");
        assert_eq!(fetch(&app, "/fine").await, ok("fine"));
        assert_eq!(layer.handle().counters(), Counters::default());
    });
}

#[test]
fn in_async_handlers_behind_the_layer() {
    async fn after_a_wait() -> &'static str {
        waited(());
        tokio::task::yield_now().await;
        panic!("after")
    }

    async fn in_the_awaited_future() -> &'static str {
        assert!(in_fiber());
        tower_fiber::await_in_fiber(async { panic!("awaited") })
    }

    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let app: Router = Router::new()
            .route("/after", get(after_a_wait))
            .route("/awaited", get(in_the_awaited_future))
            .route("/fine", get(async || waited("fine")))
            .layer(layer.clone());
        assert_eq!(panic_of(&app, "/after").await, "after");
        assert_eq!(panic_of(&app, "/awaited").await, "awaited");
        assert_eq!(fetch(&app, "/fine").await, ok("fine"));
        assert_eq!(layer.handle().counters(), Counters::default());
    });
}

#[test]
fn waits_without_a_fiber_are_refused() {
    on_each_runtime(|| async {
        let handler = async || tower_fiber::await_in_fiber(async { "not reached" });
        let app: Router = Router::new().route("/", get(handler));
        let text = panic_of(&app, "/").await;
        assert!(text.contains("FiberLayer"), "{text}");
    });
}
