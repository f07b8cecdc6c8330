//! Plain handlers on the blocking pool.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread::{self, ThreadId},
};

use axum::{
    Router,
    extract::{Path, Request},
    http::{Method, StatusCode},
    routing::{get, post},
};
use tokio::{runtime::Builder, sync::Semaphore, task::yield_now, time::Duration};
use tower_fiber::{
    BlockingLayer, WaitExt as _, WaitMode,
    axum::{blocking, blocking_with, fiber},
    caller_gone, until_caller_gone, wait_mode,
};

use crate::{
    harness::{get as fetch, ok, on_each_runtime, panic_of, request, send},
    sockets::{Client, on_each_version, serve},
};

/// The same function for both places.
fn place(Path(name): Path<String>) -> String {
    tokio::time::sleep(Duration::from_millis(1)).wait();
    format!("{name} {:?} {:?}", wait_mode(), thread::current().id())
}

fn thread_of(text: &str) -> &str {
    text.split(' ').nth(2).unwrap()
}

#[test]
fn one_line_moves_a_route() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app =
            Router::new().route("/fiber/{name}", get(fiber(place))).route("/blocking/{name}", get(blocking(place)));
        let here: ThreadId = thread::current().id();
        let (_, text) = fetch(&app, "/fiber/Ada").await;
        assert_eq!(text, format!("Ada {:?} {here:?}", WaitMode::Fiber));
        let (_, text) = fetch(&app, "/blocking/Ada").await;
        assert!(text.starts_with(&format!("Ada {:?}", WaitMode::Blocking)), "{text}");
        assert_ne!(thread_of(&text), format!("{here:?}"));
    });
}

#[test]
fn the_server_goes_on_serving() {
    on_each_version(|version| async move {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        // Really blocks.
        let blocks = move || released.lock().unwrap().recv().unwrap();
        let app = Router::new().route("/blocks", get(blocking(blocks))).route("/{name}", get(fiber(place)));
        let address = serve(app).await;
        let mut first = Client::connect(address, version).await;
        let blocked = tokio::spawn(async move { first.text(crate::sockets::get("/blocks")).await });
        let mut second = Client::connect(address, version).await;
        for _ in 0..5 {
            let (status, text) = second.text(crate::sockets::get("/Grace")).await;
            assert_eq!((status, text.split(' ').next()), (StatusCode::OK, Some("Grace")));
        }
        assert!(!blocked.is_finished());
        release.send(()).unwrap();
        assert_eq!(blocked.await.unwrap().0, StatusCode::OK);
    });
}

#[test]
fn the_limit_is_the_layers() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::builder().max_threads(1).build().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let running = Arc::new(Mutex::new(()));
        let (inside, alone) = (Arc::clone(&gate), Arc::clone(&running));
        let handler = move || {
            let _alone = alone.try_lock().expect("one at a time");
            async { inside.acquire().await.unwrap().forget() }.wait();
        };
        let app = Router::new()
            .route("/one", get(blocking_with(&layer, handler.clone())))
            .route("/two", get(blocking_with(&layer, handler)));
        let calls: Vec<_> = (0..10)
            .map(|n| {
                let app = app.clone();
                tokio::spawn(async move { fetch(&app, if n % 2 == 0 { "/one" } else { "/two" }).await })
            })
            .collect();
        for _ in 0..20 {
            yield_now().await;
        }
        gate.add_permits(10);
        for call in calls {
            assert_eq!(call.await.unwrap(), ok(""));
        }
    });
}

#[test]
fn rejections_take_no_thread() {
    on_each_runtime(|| async {
        // Its only thread is taken.
        let layer = BlockingLayer::builder().max_threads(1).build().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let taken = Arc::clone(&gate);
        let blocker = tokio::spawn(layer.run(move || async { taken.acquire().await.unwrap().forget() }.wait()));
        yield_now().await;
        let app = Router::new().route("/{n}", get(blocking_with(&layer, |Path(n): Path<u32>| n.to_string())));
        assert_eq!(fetch(&app, "/rubbish").await.0, StatusCode::BAD_REQUEST);
        gate.add_permits(1);
        blocker.await.unwrap();
        assert_eq!(fetch(&app, "/7").await, ok("7"));
    });
}

#[test]
fn extractors_and_state_as_in_fibers() {
    on_each_runtime(|| async {
        let echo = |method: Method, axum::extract::State(name): axum::extract::State<&'static str>, body: String| {
            format!("{method} {name} {body}")
        };
        let app = Router::new().route("/", post(blocking(echo))).with_state("shop");
        let mut request: Request = request(Method::POST, "/");
        *request.body_mut() = "books".into();
        assert_eq!(send(&app, request).await, ok("POST shop books"));
    });
}

#[test]
fn a_panic_goes_to_the_caller() {
    on_each_runtime(|| async {
        let app = Router::new().route("/", get(blocking(|| -> String { panic!("out of ink") })));
        assert_eq!(panic_of(&app, "/").await, "out of ink");
    });
}

#[test]
fn it_is_told_when_the_client_goes() {
    on_each_version(|version| async move {
        let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let handler = move || {
            report.send(caller_gone()).unwrap();
            until_caller_gone().wait();
            report.send(caller_gone()).unwrap();
        };
        let address = serve(Router::new().route("/", get(blocking(handler)))).await;
        let mut client = Client::connect(address, version).await;
        let request = tokio::spawn(async move {
            // The connection is closed when this is dropped.
            let response = client.send(crate::sockets::get("/")).await;
            (client, response)
        });
        assert_eq!(reports.recv().await, Some(false));
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(reports.recv().await, Some(true));
    });
}

#[test]
fn handlers_say_what_they_are() {
    let handler = blocking::<_, _, ()>(place);
    assert!(format!("{:?}", handler.clone()).contains("place"));
}
