//! Each call has a hub of sentry's of its own, whatever it holds over its waits.

use std::{future::Future, sync::Arc};

use hooks::sentry::Sentry;
use sentry_core::{
    Breadcrumb, Hub, HubSwitchGuard, Level, SentryFutureExt as _, add_breadcrumb, capture_message, configure_scope,
    test::with_captured_events, with_scope,
};
use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{
    FiberLayer, FiberPool, WaitExt as _, join, offload, race,
    stream::{FiberIter, Yielder, fiber_stream},
};

/// In place, and on a pool of one thread.
fn layers() -> [FiberLayer; 2] {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let builder = FiberLayer::builder().hook(Sentry);
    [builder.clone().build().unwrap(), builder.placement(pool).build().unwrap()]
}

fn tag(user: &str) {
    configure_scope(|scope| scope.set_tag("user", user));
}

/// The events that a test captures, each as its message, its user and its number of breadcrumbs, in alphabetical order.
fn captured<F: Future<Output = ()>>(test: impl FnOnce() -> F) -> Vec<String> {
    let runtime = Builder::new_current_thread().build().unwrap();
    let events = with_captured_events(|| runtime.block_on(test()));
    let shown = events.into_iter().map(|event| {
        let user = event.tags.get("user").map_or("nobody", String::as_str);
        format!("{}: {user}, {}", event.message.unwrap(), event.breadcrumbs.len())
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort();
    shown
}

fn say(text: &str) {
    capture_message(text, Level::Info);
}

#[test]
fn tags_and_breadcrumbs_stay_with_their_call() {
    for layer in layers() {
        let events = captured(|| async {
            tag("outside");
            let call = |user: &'static str| {
                layer.run(move || {
                    say("began");
                    tag(user);
                    add_breadcrumb(Breadcrumb::default());
                    yield_now().wait();
                    say("went on");
                })
            };
            tokio::join!(call("ada"), call("grace"));
            say("outside");
        });
        let expected =
            ["began: outside, 0", "began: outside, 0", "outside: outside, 0", "went on: ada, 1", "went on: grace, 1"];
        assert_eq!(events, expected);
    }
}

#[test]
fn a_requests_hub_is_what_its_call_begins_with() {
    for layer in layers() {
        let events = captured(|| async {
            let of = |user: &str| {
                let hub = Arc::new(Hub::new_from_top(Hub::current()));
                hub.configure_scope(|scope| scope.set_tag("user", user));
                let call = layer.run(|| {
                    yield_now().wait();
                    say("called");
                });
                call.bind_hub(hub)
            };
            tokio::join!(of("ada"), of("grace"));
        });
        assert_eq!(events, ["called: ada, 0", "called: grace, 0"]);
    }
}

#[test]
fn what_a_call_makes_begins_with_its_scope() {
    for layer in layers() {
        let events = captured(|| async {
            let call = layer.run(|| {
                tag("ada");
                let child = |text: &'static str| {
                    move || {
                        yield_now().wait();
                        tag(text);
                        say(text);
                    }
                };
                join(child("first"), child("second"));
                race([child("racer")]);
                offload(child("offloaded"));
                let stream = fiber_stream(move |y: &mut Yielder<()>| {
                    child("stream")();
                    y.send(()).unwrap();
                });
                FiberIter::new(stream).for_each(drop);
                say("the call");
            });
            call.await;
        });
        let expected = [
            "first: first, 0",
            "offloaded: offloaded, 0",
            "racer: racer, 0",
            "second: second, 0",
            "stream: stream, 0",
            "the call: ada, 0",
        ];
        assert_eq!(events, expected);
    }
}

/// Neither other calls nor other tasks of the thread see what they guard.
#[test]
fn guards_over_waits() {
    for layer in layers() {
        let events = captured(|| async {
            let call = |user: &'static str, waits: usize| {
                layer.run(move || {
                    with_scope(
                        |scope| scope.set_tag("user", user),
                        || {
                            (0..waits).for_each(|_| yield_now().wait());
                            say("in the scope");
                        },
                    );
                    say("behind");
                })
            };
            let others = async {
                for _ in 0..3 {
                    yield_now().await;
                    say("outside");
                }
            };
            tokio::join!(call("ada", 2), call("grace", 4), others);
        });
        let expected = [
            "behind: nobody, 0",
            "behind: nobody, 0",
            "in the scope: ada, 0",
            "in the scope: grace, 0",
            "outside: nobody, 0",
            "outside: nobody, 0",
            "outside: nobody, 0",
        ];
        assert_eq!(events, expected);
    }
}

/// Also with a hub that the thread has itself.
#[test]
fn hubs_that_are_switched_over_waits() {
    for layer in layers() {
        let events = captured(|| async {
            let of_thread = Hub::current();
            let hub = Arc::clone(&of_thread);
            let call = layer.run(move || {
                tag("ada");
                Hub::run(hub, || {
                    yield_now().wait();
                    say("in the thread's");
                    yield_now().wait();
                });
                say("in its own");
                yield_now().wait();
                say("still in its own");
                let other = Arc::new(Hub::new_from_top(Hub::current()));
                let guard = HubSwitchGuard::new(other);
                tag("other");
                yield_now().wait();
                drop(guard);
                yield_now().wait();
                say("again in its own");
            });
            let others = async {
                for _ in 0..8 {
                    assert!(Arc::ptr_eq(&Hub::current(), &of_thread));
                    yield_now().await;
                }
            };
            tokio::join!(call, others);
            assert!(Arc::ptr_eq(&Hub::current(), &of_thread));
        });
        let expected = [
            "again in its own: ada, 0",
            "in its own: ada, 0",
            "in the thread's: nobody, 0",
            "still in its own: ada, 0",
        ];
        assert_eq!(events, expected);
    }
}
