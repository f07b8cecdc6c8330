//! Plain functions and closures as handlers, wherever axum takes one.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    handler::{Handler as _, HandlerWithoutStateExt as _},
    http::{Method, StatusCode, Uri},
    routing::{MethodFilter, any, get, on, post},
};
use tower_fiber::{FiberLayer, axum::fiber, in_fiber};

use crate::harness::{self, get as fetch, ok, on_each_runtime, request, send, waited};

fn method(method: Method) -> String {
    waited(method.to_string())
}

fn missing(uri: Uri) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, waited(format!("nothing at {uri}")))
}

fn missing_for(uri: &str) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("nothing at {uri}"))
}

#[test]
fn methods() {
    on_each_runtime(|| async {
        let app = Router::new()
            .route("/", get(fiber(method)).post(fiber(method)))
            .route("/any", any(fiber(method)))
            .route("/on", on(MethodFilter::DELETE, fiber(method)))
            .route("/fallback", post(fiber(method)).fallback(fiber(missing)));
        for (verb, path) in [
            (Method::GET, "/"),
            (Method::POST, "/"),
            (Method::PATCH, "/any"),
            (Method::DELETE, "/on"),
            (Method::POST, "/fallback"),
        ] {
            assert_eq!(send(&app, request(verb.clone(), path)).await, ok(verb.as_str()));
        }
        assert_eq!(send(&app, request(Method::PUT, "/")).await.0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(fetch(&app, "/fallback").await, missing_for("/fallback"));
    });
}

#[test]
fn fallbacks() {
    on_each_runtime(|| async {
        let app = Router::new().route("/", get(fiber(method))).fallback(fiber(missing));
        assert_eq!(fetch(&app, "/nowhere").await, missing_for("/nowhere"));
        let app = Router::new().route("/", post(fiber(method))).method_not_allowed_fallback(fiber(missing));
        assert_eq!(fetch(&app, "/").await, missing_for("/"));
    });
}

#[test]
fn beside_async_handlers() {
    on_each_runtime(|| async {
        let app: Router = Router::new()
            .route("/plain", get(fiber(|| waited(in_fiber()).to_string())))
            .route("/async", get(async || in_fiber().to_string()));
        assert_eq!(fetch(&app, "/plain").await, ok("true"));
        assert_eq!(fetch(&app, "/async").await, ok("false"));
    });
}

#[test]
fn closures_capture() {
    on_each_runtime(|| async {
        let names = Arc::new(["ada".to_owned(), "alan".to_owned()]);
        let greeting = "hello".to_owned();
        let name = move |Path(n): Path<usize>| match names.get(n) {
            Some(name) => Ok(waited(format!("{greeting} {name}"))),
            None => Err(StatusCode::NOT_FOUND),
        };
        let app = Router::new().route("/{n}", get(fiber(name)));
        // Each request has a clone of the closure.
        for _ in 0..2 {
            assert_eq!(fetch(&app, "/1").await, ok("hello alan"));
        }
        assert_eq!(fetch(&app, "/2").await.0, StatusCode::NOT_FOUND);
    });
}

#[derive(Clone)]
struct Shop {
    name: &'static str,
}

impl Shop {
    fn greet(State(shop): State<Self>, Path(name): Path<String>) -> String {
        waited(format!("{} greets {name}", shop.name))
    }

    fn part_from(&self, name: &str) -> String {
        waited(format!("{} will miss {name}", self.name))
    }
}

#[test]
fn methods_of_types() {
    on_each_runtime(|| async {
        let shop = Shop { name: "Foyles" };
        let part = {
            let shop = shop.clone();
            move |Path(name): Path<String>| shop.part_from(&name)
        };
        let app = Router::new()
            .route("/greet/{name}", get(fiber(Shop::greet)))
            .route("/part/{name}", get(fiber(part)))
            .with_state(shop);
        assert_eq!(fetch(&app, "/greet/Ada").await, ok("Foyles greets Ada"));
        assert_eq!(fetch(&app, "/part/Ada").await, ok("Foyles will miss Ada"));
    });
}

#[test]
fn with_layers_of_their_own() {
    on_each_runtime(|| async {
        let header = tower::util::MapResponseLayer::new(|mut response: axum::response::Response| {
            response.headers_mut().insert("x-layer", "passed".parse().unwrap());
            response
        });
        let app: Router = Router::new().route("/", get(fiber(method).layer(header)));
        let response = tower::ServiceExt::oneshot(app, harness::request(Method::GET, "/")).await.unwrap();
        assert_eq!(response.headers()["x-layer"], "passed");
        assert_eq!(harness::text(response).await, ok("GET"));
    });
}

#[test]
fn as_a_service_without_a_router() {
    on_each_runtime(|| async {
        let app = Router::new().fallback_service(fiber(method).into_service());
        assert_eq!(fetch(&app, "/").await, ok("GET"));
        let count = |State(n): State<u32>| waited(n + 1).to_string();
        let app = Router::new().fallback_service(fiber(count).with_state(41));
        assert_eq!(fetch(&app, "/").await, ok("42"));
    });
}

#[test]
fn in_a_nested_router_with_a_state_of_its_own() {
    on_each_runtime(|| async {
        let count = |State(n): State<u32>| waited(n).to_string();
        let inner = Router::new().route("/", get(fiber(count))).with_state(1);
        let app = Router::new().nest("/inner", inner).route("/", get(fiber(count))).with_state(2);
        assert_eq!(fetch(&app, "/inner").await, ok("1"));
        assert_eq!(fetch(&app, "/").await, ok("2"));
    });
}

#[test]
fn below_the_layer_as_well() {
    on_each_runtime(|| async {
        let (outer, inner) = (FiberLayer::new(), FiberLayer::new());
        let counts = (outer.handle(), inner.handle());
        let f = move || waited(format!("{} {}", counts.0.live(), counts.1.live()));
        let app: Router = Router::new().route("/", get(tower_fiber::axum::fiber_with(&inner, f))).layer(outer);
        assert_eq!(fetch(&app, "/").await, ok("1 1"));
    });
}
