//! The layer wherever axum takes one, around handlers that reach synchronous code.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    handler::Handler as _,
    http::{Method, StatusCode},
    response::Response,
    routing::{MethodRouter, get, get_service},
};
use tokio::sync::{mpsc, watch};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_fiber::{Counters, FiberLayer, FiberService, ServiceBuilderExt as _, in_fiber, sync_fn};

use crate::harness::{get as fetch, ok, on_each_runtime, request, text, waited};

async fn greet(Path(name): Path<String>) -> String {
    // As far down as in a real handler: `.await`, a call, a wait.
    tokio::task::yield_now().await;
    let greeting = waited(format!("hello {name}"));
    tokio::task::yield_now().await;
    waited(greeting)
}

fn plain(request: Request) -> Result<Response, Infallible> {
    Ok(Response::new(Body::from(waited(request.uri().path().to_owned()))))
}

#[test]
fn router_layer() {
    on_each_runtime(|| async {
        let app = Router::new().route("/{name}", get(greet)).layer(FiberLayer::new());
        assert_eq!(fetch(&app, "/ada").await, ok("hello ada"));
        assert_eq!(fetch(&app, "/ada/none").await.0, StatusCode::NOT_FOUND);
    });
}

#[test]
fn router_layer_covers_routes_fallback_and_nested_routers() {
    on_each_runtime(|| async {
        async fn fallback() -> (StatusCode, &'static str) {
            (StatusCode::GONE, waited("gone"))
        }

        let nested = Router::new().route("/{name}", get(greet));
        let app = Router::new().nest("/nested", nested).fallback(fallback).layer(FiberLayer::new());
        assert_eq!(fetch(&app, "/nested/ada").await, ok("hello ada"));
        assert_eq!(fetch(&app, "/other").await, (StatusCode::GONE, "gone".to_owned()));
    });
}

#[test]
fn route_layer() {
    on_each_runtime(|| async {
        let app = Router::new()
            .route("/{name}", get(greet))
            .route_layer(FiberLayer::new())
            .fallback(async || in_fiber().to_string());
        assert_eq!(fetch(&app, "/ada").await, ok("hello ada"));
        assert_eq!(fetch(&app, "/ada/none").await, ok("false"));
    });
}

#[test]
fn method_router_layers() {
    on_each_runtime(|| async {
        let app = Router::new()
            .route("/layer/{name}", get(greet).layer(FiberLayer::new()))
            .route("/route-layer/{name}", get(greet).route_layer(FiberLayer::new()))
            .route("/outside", get(async || in_fiber().to_string()));
        assert_eq!(fetch(&app, "/layer/ada").await, ok("hello ada"));
        assert_eq!(fetch(&app, "/route-layer/ada").await, ok("hello ada"));
        assert_eq!(fetch(&app, "/outside").await, ok("false"));
    });
}

#[test]
fn handler_layer() {
    on_each_runtime(|| async {
        let app = Router::new().route("/{name}", get(greet.layer(FiberLayer::new())));
        assert_eq!(fetch(&app, "/ada").await, ok("hello ada"));
    });
}

#[test]
fn services_as_routes() {
    on_each_runtime(|| async {
        let builder = ServiceBuilder::new().layer(FiberLayer::new()).service(sync_fn(plain));
        let extended = ServiceBuilder::new().fiber().service(sync_fn(plain));
        let methods: MethodRouter = get_service(FiberService::new(sync_fn(plain)));
        let app = Router::new()
            .route_service("/builder", builder.clone())
            .route_service("/extended", extended)
            .route("/methods", methods)
            .nest_service("/nested", builder.clone())
            .fallback_service(builder);
        for path in ["/builder", "/extended", "/methods", "/fallback"] {
            assert_eq!(fetch(&app, path).await, ok(path));
        }
        assert_eq!(fetch(&app, "/nested/x").await, ok("/x"));
    });
}

#[test]
fn a_builder_with_other_layers() {
    on_each_runtime(|| async {
        let layers = ServiceBuilder::new().map_request(|request: Request| request).layer(FiberLayer::new());
        let app = Router::new().route("/{name}", get(greet)).layer(layers);
        assert_eq!(fetch(&app, "/ada").await, ok("hello ada"));
    });
}

#[test]
fn around_a_whole_router() {
    on_each_runtime(|| async {
        let app = FiberService::new(Router::new().route("/{name}", get(greet)));
        let response = app.oneshot(request(Method::GET, "/ada")).await.unwrap();
        assert_eq!(text(response).await, ok("hello ada"));
    });
}

#[test]
fn an_idle_async_handler_holds_no_stack() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (begun, mut begin) = mpsc::channel(1);
        let (answer, answered) = watch::channel("");
        let handler = async move || {
            begun.send(()).await.unwrap();
            waited(());
            let answer = *answered.clone().wait_for(|answer| !answer.is_empty()).await.unwrap();
            waited(answer)
        };
        let app = Router::new().route("/", get(handler)).layer(layer.clone());
        let client = tokio::spawn(async move { fetch(&app, "/").await });
        begin.recv().await.unwrap();
        // The handler may still be on its way to the point where it is idle.
        while layer.handle().counters() != Counters::default() {
            tokio::task::yield_now().await;
        }
        assert!(!client.is_finished());
        answer.send("at last").unwrap();
        assert_eq!(client.await.unwrap(), ok("at last"));
    });
}
