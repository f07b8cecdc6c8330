//! Panics: before, between and after waits, from the awaited future, and what they leave behind.

mod support;

use std::{
    cell::Cell,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    rc::Rc,
};

use futures_util::FutureExt as _;
use tokio_test::{assert_pending, task};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{FiberLayer, WaitExt as _, in_fiber, run_local, sync_fn};

use support::Drops;

#[derive(Debug, PartialEq)]
struct Payload(&'static str);

async fn pending_once() {
    tokio::task::yield_now().await;
}

fn legacy(place: &'static str) {
    if place == "before" {
        panic_any(Payload("before"));
    }
    pending_once().wait();
    if place == "between" {
        panic_any(Payload("between"));
    }
    async { pending_once().await }.wait();
    if place == "after" {
        panic_any(Payload("after"));
    }
    if place == "future" {
        async {
            pending_once().await;
            panic_any(Payload("future"))
        }
        .wait()
    }
}

async fn payloads_come_out(layer: FiberLayer) {
    let drops = Drops::default();
    let held = drops.clone();
    let service = layer.layer(sync_fn(move |place: &'static str| {
        let _held = held.held();
        legacy(place);
        Ok::<_, Infallible>(in_fiber())
    }));
    for (n, place) in ["before", "between", "after", "future"].into_iter().enumerate() {
        let panicked = AssertUnwindSafe(service.clone().oneshot(place)).catch_unwind().await.unwrap_err();
        assert_eq!(*panicked.downcast::<Payload>().unwrap(), Payload(place));
        assert_eq!(drops.count(), n + 1);
    }
    assert_eq!(service.oneshot("nowhere").await, Ok(true));
    assert_eq!(layer.handle().counters(), Default::default());
}

#[tokio::test]
async fn payloads_come_out_in_place() {
    payloads_come_out(FiberLayer::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_come_out_of_the_pool() {
    payloads_come_out(FiberLayer::new()).await;
}

#[tokio::test]
async fn a_panic_of_an_async_service_comes_out() {
    let layer = FiberLayer::new();
    let service = layer.layer(service_fn(|()| async {
        pending_once().await;
        panic_any(Payload("root"));
        #[expect(unreachable_code, reason = "it gives the future its type")]
        Ok::<(), Infallible>(())
    }));
    let panicked = AssertUnwindSafe(service.oneshot(())).catch_unwind().await.unwrap_err();
    assert!(panicked.is::<Payload>());
    assert_eq!(layer.handle().counters(), Default::default());
}

#[tokio::test]
async fn the_awaited_futures_panic_can_be_caught_at_the_call() {
    let value = run_local(|| {
        let caught = catch_unwind(|| async { panic_any(Payload("caught")) }.wait());
        assert!(caught.unwrap_err().is::<Payload>());
        async { 3 }.wait()
    });
    assert_eq!(value.await, 3);
}

#[tokio::test]
async fn a_response_of_a_panicked_call_is_dropped_quietly() {
    let layer = FiberLayer::new();
    let mut call = task::spawn(layer.run(|| {
        pending_once().wait();
        panic!("expected");
    }));
    assert_pending!(call.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
    drop(call);
    assert_eq!(layer.handle().counters(), Default::default());
}

#[tokio::test]
async fn the_next_call_of_a_service_that_panicked_is_fine() {
    let calls = Rc::new(Cell::new(0));
    for n in 0..1000 {
        let calls = Rc::clone(&calls);
        let call = run_local(move || {
            calls.set(calls.get() + 1);
            if n % 2 == 0 {
                // Without the hook, which would print a thousand times.
                std::panic::resume_unwind(Box::new(Payload("even")));
            }
            pending_once().wait();
        });
        assert_eq!(AssertUnwindSafe(call).catch_unwind().await.is_err(), n % 2 == 0);
    }
    assert_eq!(calls.get(), 1000);
}
