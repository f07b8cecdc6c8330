//! What a middleware function says about its request to the functions below it: never heard by another request.

use axum::{
    Extension, Router,
    extract::Request,
    middleware::{self, from_fn},
    response::Response,
    routing::{MethodRouter, get},
};
use tokio::{task::yield_now, task_local};
use tower_fiber::{
    FiberLayer,
    axum::{Next, fiber, fiber_with, from_sync_fn, from_sync_fn_with},
};

use crate::harness::{get as fetch, ok, on_each_runtime, panic_of, waited};

task_local! {
    static USER: String;
}

#[derive(Clone)]
struct User(String);

fn user(request: &Request) -> String {
    request.uri().query().unwrap().to_owned()
}

/// Says it by an extension of the request.
fn extend(mut request: Request, next: Next) -> Response {
    let user = user(&request);
    request.extensions_mut().insert(User(user));
    next.run(waited(request))
}

/// Sets a task-local around all that is below it.
fn scope(request: Request, next: Next) -> Response {
    let user = user(&request);
    let response = USER.sync_scope(user.clone(), || {
        let response = next.run(request);
        assert_eq!(USER.get(), user);
        response
    });
    assert_ne!(USER.try_with(Clone::clone), Ok(user), "it belongs to the scope");
    response
}

/// The user before, between and after waits: for some longer than for others.
fn page() -> String {
    let seen = || USER.try_with(Clone::clone).unwrap_or_else(|_| "nobody".to_owned());
    let waits = seen().len() as u32;
    let mut seen: Vec<_> = (0..=waits).map(|_| waited(seen())).collect();
    seen.dedup();
    seen.join(", ")
}

/// Asks for several users at once.
async fn each_sees_itself(app: Router) {
    let users = ["ada", "grace", "barbara", "x", "margaret"];
    let answers = users.map(|user| {
        let app = app.clone();
        tokio::spawn(async move { fetch(&app, &format!("/?{user}")).await })
    });
    for (answer, user) in answers.into_iter().zip(users) {
        assert_eq!(answer.await.unwrap(), ok(user));
    }
    assert!(USER.try_with(|_| ()).is_err(), "nothing is left on the thread");
}

fn app(page: MethodRouter, layer: &FiberLayer) -> Router {
    Router::new().route("/", page).layer(from_sync_fn_with(layer, scope))
}

/// tokio would not take the value off the thread.
#[test]
fn a_carried_key_that_had_no_value() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().name("shop").carry(&USER).build().unwrap();
        for page in [get(fiber(page)), get(fiber_with(&layer, page)), get(async || yield_now().await)] {
            let text = panic_of(&app(page, &layer), "/?ada").await;
            assert!(text.contains("sync_scope"), "{text}");
            assert!(USER.try_with(|_| ()).is_err(), "nothing is left on the thread");
        }
    });
}

/// What does not wait may set it.
#[test]
fn a_carried_key_in_a_scope_without_a_wait() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().name("shop").carry(&USER).build().unwrap();
        let page = || waited(USER.sync_scope("ada".to_owned(), || USER.get()));
        let app = Router::new().route("/", get(fiber_with(&layer, page)));
        assert_eq!(fetch(&app, "/").await, ok("ada"));
    });
}

#[test]
fn a_carried_key_that_had_a_value() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().name("shop").carry(&USER).build().unwrap();
        for page in [get(fiber(page)), get(fiber_with(&layer, page)), get(async || (yield_now().await, USER.get()).1)] {
            each_sees_itself(app(page, &layer).layer(from_fn(async |request: Request, next: middleware::Next| {
                USER.scope("nobody".to_owned(), next.run(request)).await
            })))
            .await;
        }
    });
}

#[test]
fn a_scope_of_async_middleware() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().name("shop").carry(&USER).build().unwrap();
        let scope = async |request: Request, next: middleware::Next| {
            let User(user) = request.extensions().get().cloned().unwrap();
            USER.scope(user, next.run(request)).await
        };
        let app = Router::new().route("/", get(fiber_with(&layer, page)));
        each_sees_itself(app.layer(from_fn(scope)).layer(from_sync_fn(extend))).await;
    });
}

/// What is borrowed cannot be taken off the thread.
#[test]
fn a_wait_is_refused_while_a_carried_key_is_borrowed() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().name("shop").carry(&USER).build().unwrap();
        let borrow = |request: Request, next: Next| USER.with(|_| next.run(request));
        let handler = get(async || yield_now().await);
        let app: Router = Router::new().route("/", handler).layer(from_sync_fn_with(&layer, borrow));
        let text = USER.scope("ada".to_owned(), panic_of(&app, "/")).await;
        assert!(text.contains("borrowed"), "{text}");
    });
}

#[test]
fn an_extension_of_the_request() {
    on_each_runtime(|| async {
        let page = |Extension(User(user)): Extension<User>| waited(user);
        let app = Router::new().route("/", get(fiber(page))).layer(from_sync_fn(extend));
        each_sees_itself(app).await;
    });
}

/// The tool for debugging names the scope of a key that is not carried, at the wait in `next.run`.
#[cfg(all(feature = "lint", target_os = "linux"))]
#[test]
fn a_key_that_is_not_carried_is_named() {
    use crate::child;
    use tower_fiber::lint;

    child::passes("middleware_scope::a_key_that_is_not_carried_is_named", || {
        lint::enable().unwrap();
        on_each_runtime(|| async {
            let layer = FiberLayer::builder().name("shop").build().unwrap();
            let handler = get(async || (yield_now().await, "done").1);
            assert_eq!(fetch(&app(handler, &layer), "/?ada").await, ok("done"));
        });
        let found = lint::findings();
        let [found] = &found[..] else { panic!("{found:?}") };
        assert!(found.thread_local.ends_with("middleware_scope::USER"), "{found:?}");
        assert_eq!((found.service.as_str(), found.wait.file()), ("shop", file!()), "{found:?}");
    });
}
