//! What follows a request follows its response's body, which the server asks for when the handler has returned.

use std::{convert::Infallible, io::Write as _};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, sse::Event},
    routing::{MethodRouter, get},
};
use tokio::{task::yield_now, task_local};
use tower_fiber::{
    FiberLayer, WaitExt as _,
    axum::{blocking, fiber, fiber_with, from_sync_fn_with, sse, write_body},
    offload,
};

use crate::{
    harness::{get as fetch, ok, waited},
    sockets::{self, Client, on_each_version, serve},
};

task_local! {
    static USER: String;
}

fn user() -> String {
    waited(USER.try_with(Clone::clone).unwrap_or_else(|_| "nobody".to_owned()))
}

fn written() -> impl IntoResponse {
    write_body(|w| (0..3).try_for_each(|_| writeln!(w, "{}", user())))
}

fn sent() -> impl IntoResponse {
    sse((0..3).map(|_| Ok::<_, Infallible>(Event::default().data(user()))))
}

fn layer() -> FiberLayer {
    FiberLayer::builder().name("shop").carry(&USER).build().unwrap()
}

/// Each request has a user.
fn with_users(routes: Router) -> Router {
    routes.layer(from_fn(async |request: Request, next: Next| {
        let user = request.uri().query().unwrap().to_owned();
        USER.scope(user, next.run(request)).await
    }))
}

/// Both kinds of bodies, as a client reads them.
async fn follows(app: Router, version: sockets::Version) {
    let mut client = Client::connect(serve(app).await, version).await;
    for user in ["ada", "grace"] {
        assert_eq!(client.text(sockets::get(&format!("/written?{user}"))).await, ok(format!("{user}\n").repeat(3)));
        assert_eq!(
            client.text(sockets::get(&format!("/sent?{user}"))).await,
            ok(format!("data: {user}\n\n").repeat(3))
        );
    }
}

fn routes(written: MethodRouter, sent: MethodRouter) -> Router {
    Router::new().route("/written", written).route("/sent", sent)
}

#[test]
fn of_handlers_with_the_layer() {
    on_each_version(|version| async move {
        let layer = layer();
        let routes = routes(get(fiber_with(&layer, written)), get(fiber_with(&layer, sent)));
        follows(with_users(routes), version).await;
        layer.handle().drained().await;
    });
}

#[test]
fn of_all_handlers_inside_the_layer() {
    on_each_version(|version| async move {
        let layer = layer();
        let routes = routes(get(fiber(written)), get(async || sent()));
        follows(with_users(routes.layer(layer.clone())), version).await;
        layer.handle().drained().await;
    });
}

#[test]
fn of_handlers_inside_a_middleware_function() {
    on_each_version(|version| async move {
        let layer = layer();
        let pass = from_sync_fn_with(&layer, |request: Request, next: tower_fiber::axum::Next| next.run(request));
        follows(with_users(routes(get(fiber(written)), get(fiber(sent))).layer(pass)), version).await;
        layer.handle().drained().await;
    });
}

/// A handler without settings of its own offloads what its layer carries.
#[test]
fn into_what_is_offloaded() {
    on_each_version(|version| async move {
        let offloads = || offload(|| USER.try_with(Clone::clone).unwrap_or_else(|_| "nobody".to_owned()));
        let blocks = || (yield_now().wait(), USER.try_with(Clone::clone).unwrap_or_default()).1;
        let routes = Router::new().route("/", get(fiber(offloads))).route("/blocking", get(blocking(blocks)));
        let app = with_users(routes.layer(layer()));
        assert_eq!(fetch(&app, "/?ada").await, ok("ada"));
        assert_eq!(fetch(&app, "/blocking?ada").await, ok("ada"));
        let mut client = Client::connect(serve(app).await, version).await;
        assert_eq!(client.text(sockets::get("/?grace")).await, ok("grace"));
    });
}
