//! Middleware from plain functions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::{self, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::future::join_all;
use tokio::{
    sync::{Barrier, Semaphore, mpsc, oneshot},
    task::yield_now,
};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _,
    axum::{BodyReader, Next, blocking, fiber, from_sync_fn, from_sync_fn_with, from_sync_fn_with_state},
    in_fiber,
};

use crate::{
    harness::{get as fetch, ok, on_each_runtime, panic_of, request, send, waited},
    sockets::{self, Client, on_each_version, serve},
};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Logs on the way in and on the way out, and waits in both.
fn plain(name: &'static str, log: &Log) -> impl Fn(Request, Next) -> Response + Clone + Send + Sync + 'static + use<> {
    let log = log.clone();
    move |request, next| {
        log.add(waited(format!("{name} in")));
        let response = next.run(request);
        log.add(waited(format!("{name} out")));
        response
    }
}

async fn native(State((name, log)): State<(&'static str, Log)>, request: Request, next: middleware::Next) -> Response {
    log.add(format!("{name} in"));
    yield_now().await;
    let response = next.run(request).await;
    log.add(format!("{name} out"));
    response
}

#[test]
fn effects_keep_their_order_above_below_and_between_async_layers() {
    on_each_runtime(|| async {
        let log = Log::default();
        let native = |name| middleware::from_fn_with_state((name, log.clone()), native);
        let handlers = [
            get(async |State(log): State<Log>| log.add("handler")),
            get(fiber(|State(log): State<Log>| log.add(waited("handler")))),
            get(blocking(|State(log): State<Log>| log.add("handler"))),
        ];
        for handler in handlers {
            let app = Router::new()
                .route("/", handler)
                .with_state(log.clone())
                .layer(from_sync_fn(plain("fifth", &log)))
                .layer(native("fourth"))
                .layer(from_sync_fn(plain("third", &log)))
                .layer(from_sync_fn(plain("second", &log)))
                .layer(native("first"));
            assert_eq!(fetch(&app, "/").await.0, StatusCode::OK);
            let names = ["first", "second", "third", "fourth", "fifth"];
            let inwards = names.iter().map(|name| format!("{name} in"));
            let outwards = names.iter().rev().map(|name| format!("{name} out"));
            let expected: Vec<_> = inwards.chain(["handler".to_owned()]).chain(outwards).collect();
            assert_eq!(log.take(), expected);
        }
    });
}

#[test]
fn others_are_served_while_it_waits() {
    on_each_runtime(|| async {
        // All must be inside, before and after the handler, for any to go on.
        let before = Arc::new(Barrier::new(20));
        let after = Arc::new(Barrier::new(20));
        let function = move |request: Request, next: Next| {
            before.wait().wait();
            let response = next.run(request);
            after.wait().wait();
            response
        };
        let app = Router::new().route("/", get(async || "hello")).layer(from_sync_fn(function));
        let answers = join_all((0..20).map(|_| fetch(&app, "/"))).await;
        assert!(answers.iter().all(|answer| *answer == ok("hello")));
    });
}

/// A trait as legacy code has it.
trait Users: Send + Sync {
    fn find(&self, token: &str) -> Option<String>;
}

struct Table(HashMap<&'static str, &'static str>);

impl Users for Table {
    fn find(&self, token: &str) -> Option<String> {
        waited(self.0.get(token).map(|user| (*user).to_owned()))
    }
}

fn authenticate(State(users): State<Arc<dyn Users>>, headers: HeaderMap, mut request: Request, next: Next) -> Response {
    let token = headers.get("authorization").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let Some(user) = users.find(token) else {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    };
    request.extensions_mut().insert(user);
    next.run(request)
}

#[test]
fn authentication_by_a_synchronous_trait() {
    on_each_version(|version| async move {
        let users: Arc<dyn Users> = Arc::new(Table(HashMap::from([("secret", "Ada")])));
        let app = Router::new()
            .route("/", get(fiber(|user: axum::Extension<String>| waited(format!("hello {}", *user)))))
            .route_layer(from_sync_fn_with_state(users, authenticate));
        let mut client = Client::connect(serve(app).await, version).await;
        let mut request = sockets::get("/");
        request.headers_mut().insert("authorization", "secret".parse().unwrap());
        assert_eq!(client.text(request).await, ok("hello Ada"));
        let (status, text) = client.text(sockets::get("/")).await;
        assert_eq!((status, text.as_str()), (StatusCode::UNAUTHORIZED, "who are you?"));
    });
}

#[test]
fn it_extracts_before_it_runs() {
    on_each_runtime(|| async {
        let function = |method: Method, headers: HeaderMap, body: String, next: Next| {
            assert!(in_fiber());
            let request = Request::builder().uri("/").method(method).body(Body::from(body + "!")).unwrap();
            let mut response = next.run(request);
            response.headers_mut().insert("x-headers", headers.len().into());
            response
        };
        let app = Router::new().route("/", post(async |body: String| body)).layer(from_sync_fn(function));
        let mut sent = request(Method::POST, "/");
        *sent.body_mut() = "hello".into();
        assert_eq!(send(&app, sent).await, ok("hello!"));
        // The rejection is the extractor's.
        let mut sent = request(Method::POST, "/");
        *sent.body_mut() = vec![0xFF].into();
        assert_eq!(send(&app, sent).await.0, StatusCode::BAD_REQUEST);
    });
}

#[test]
fn it_may_answer_without_what_is_below() {
    on_each_runtime(|| async {
        let function = |_: Request, _: Next| -> Result<Response, (StatusCode, &'static str)> {
            Err((StatusCode::SERVICE_UNAVAILABLE, "closed for today"))
        };
        let app = Router::new()
            .route("/", get(async || -> String { panic!("it is not called") }))
            .layer(from_sync_fn(function));
        assert_eq!(fetch(&app, "/").await, (StatusCode::SERVICE_UNAVAILABLE, "closed for today".to_owned()));
    });
}

#[test]
fn it_may_run_what_is_below_again() {
    on_each_runtime(|| async {
        let failures = Arc::new(Mutex::new(2));
        let handler = move || {
            let mut left = failures.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(StatusCode::BAD_GATEWAY);
            }
            Ok("third time lucky")
        };
        let retry = |method: Method, uri: axum::http::Uri, _: Request, next: Next| loop {
            let request = Request::builder().method(method.clone()).uri(uri.clone()).body(Body::empty()).unwrap();
            let response = next.clone().run(request);
            if response.status().is_success() {
                break response;
            }
            waited(());
        };
        let app = Router::new().route("/", get(fiber(handler))).layer(from_sync_fn(retry));
        assert_eq!(fetch(&app, "/").await, ok("third time lucky"));
    });
}

#[test]
fn it_may_read_and_change_the_response() {
    on_each_runtime(|| async {
        let shout = |request: Request, next: Next| {
            let (parts, body) = next.run(request).into_parts();
            let text = std::io::read_to_string(BodyReader::new(body)).unwrap();
            (parts.status, text.to_uppercase())
        };
        let app = Router::new().route("/", get(async || "hello")).layer(from_sync_fn(shout));
        assert_eq!(fetch(&app, "/").await, ok("HELLO"));
    });
}

#[test]
fn panics_pass_through() {
    on_each_runtime(|| async {
        let log = Log::default();
        let app = Router::new()
            .route("/below", get(fiber(|| -> String { panic!("from below") })))
            .route("/async", get(async || -> String { panic!("from an async handler") }))
            .layer(from_sync_fn(plain("middleware", &log)));
        assert_eq!(panic_of(&app, "/below").await, "from below");
        assert_eq!(panic_of(&app, "/async").await, "from an async handler");
        assert_eq!(log.take(), ["middleware in", "middleware in"]);
    });
}

/// Drops a request while what is below a middleware function waits.
async fn drop_a_request(policy: OnDrop) -> Vec<String> {
    let layer = FiberLayer::builder().on_drop(policy).build().unwrap();
    let (report, mut reports) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let (below, inside) = (report.clone(), Arc::clone(&gate));
    let handler = async move || {
        below.send("handler waits").unwrap();
        inside.acquire().await.unwrap().forget();
        below.send("handler ends").unwrap();
    };
    let function = move |request: Request, next: Next| {
        let _end = Ends(report.clone());
        let response = next.run(request);
        report.send("middleware goes on").unwrap();
        response
    };
    let app = Router::new().route("/", get(handler)).layer(from_sync_fn_with(&layer, function));
    let client = tokio::spawn(async move { fetch(&app, "/").await });
    let mut seen = vec![reports.recv().await.unwrap().to_owned()];
    assert_eq!(layer.handle().live(), 1);
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    while seen.last().unwrap() != "middleware has ended" {
        seen.push(reports.recv().await.unwrap().to_owned());
    }
    layer.handle().drained().await;
    seen
}

struct Ends(mpsc::UnboundedSender<&'static str>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.send("middleware has ended").unwrap();
    }
}

#[test]
fn when_the_client_goes_it_runs_to_its_end() {
    on_each_runtime(|| async {
        let seen = drop_a_request(OnDrop::Finish).await;
        assert_eq!(
            seen,
            ["handler waits", "middleware goes on", "middleware has ended"],
            "the async handler is dropped"
        );
    });
}

#[test]
fn when_the_client_goes_it_unwinds_if_the_layer_says_so() {
    on_each_runtime(|| async {
        assert_eq!(drop_a_request(OnDrop::Unwind).await, ["handler waits", "middleware has ended"]);
    });
}

#[test]
fn an_async_layer_inside_may_race() {
    on_each_runtime(|| async {
        // The async layer drops what is below it, and the plain one goes on.
        let give_up = from_fn(async |request: Request, next: middleware::Next| {
            tokio::select! {
                response = next.run(request) => response,
                () = yield_now() => StatusCode::GATEWAY_TIMEOUT.into_response(),
            }
        });
        let (sender, forever) = oneshot::channel::<()>();
        let forever = Arc::new(tokio::sync::Mutex::new(Some(forever)));
        let handler = async move || _ = forever.lock().await.take().unwrap().await;
        let log = Log::default();
        let app = Router::new().route("/", get(handler)).layer(give_up).layer(from_sync_fn(plain("outside", &log)));
        assert_eq!(fetch(&app, "/").await.0, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(log.take(), ["outside in", "outside out"]);
        assert!(sender.is_closed());
    });
}

#[test]
fn it_says_what_it_is() {
    let layer = from_sync_fn(|request: Request, next: Next| next.run(request));
    assert!(format!("{:?}", layer.clone()).starts_with("FromSyncFnLayer"));
}
