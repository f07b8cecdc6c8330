//! Panics: before, between and after waits, from the awaited future, and what they leave behind.

use std::{
    cell::Cell,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use tokio_test::{assert_pending, task};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{FiberLayer, Placement, WaitExt as _, in_fiber, run_local, sync_fn};

use crate::support::{Drops, both, in_each_task, poll_once, text_of_panic};

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

#[test]
fn payloads_come_out_in_place() {
    in_each_task(|| async {
        payloads_come_out(FiberLayer::new()).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_come_out_of_the_pool() {
    payloads_come_out(FiberLayer::new()).await;
}

#[test]
fn a_panic_of_an_async_service_comes_out() {
    in_each_task(|| async {
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
    });
}

#[test]
fn the_awaited_futures_panic_can_be_caught_at_the_call() {
    in_each_task(|| async {
        let value = run_local(|| {
            let caught = catch_unwind(|| async { panic_any(Payload("caught")) }.wait());
            assert!(caught.unwrap_err().is::<Payload>());
            async { 3 }.wait()
        });
        assert_eq!(value.await, 3);
    });
}

#[test]
fn a_response_of_a_panicked_call_is_dropped_quietly() {
    in_each_task(|| async {
        let layer = FiberLayer::new();
        let mut call = task::spawn(layer.run(|| {
            pending_once().wait();
            panic!("expected");
        }));
        assert_pending!(call.poll());
        assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
        drop(call);
        assert_eq!(layer.handle().counters(), Default::default());
    });
}

#[test]
fn the_next_call_of_a_service_that_panicked_is_fine() {
    in_each_task(|| async {
        let calls = Rc::new(Cell::new(0));
        for n in 0..1000 {
            let calls = Rc::clone(&calls);
            let call = run_local(move || {
                calls.set(calls.get() + 1);
                if n % 2 == 0 {
                    // Without the hook, which would print a thousand times.
                    resume_unwind(Box::new(Payload("even")));
                }
                pending_once().wait();
            });
            assert_eq!(AssertUnwindSafe(call).catch_unwind().await.is_err(), n % 2 == 0);
        }
        assert_eq!(calls.get(), 1000);
    });
}

#[test]
fn polled_after_completion_or_after_a_panic() {
    in_each_task(|| async {
        for layer in both(FiberLayer::builder().name("orders")) {
            let mut ended = Box::pin(layer.run(|| 1));
            assert_eq!((&mut ended).await, 1);
            let mut panicked = Box::pin(layer.run(|| resume_unwind(Box::new("expected"))));
            assert!(AssertUnwindSafe(&mut panicked).catch_unwind().await.is_err());
            let texts = [
                text_of_panic(|| poll_once(&mut ended).now_or_never()),
                text_of_panic(|| poll_once(&mut panicked).now_or_never()),
            ];
            for text in texts {
                assert!(text.contains("`orders`") && text.contains("polled after it had ended"), "{text}");
            }
            assert_eq!(layer.handle().counters(), Default::default());
        }
    });
}

/// Panics when it is dropped.
#[derive(Clone)]
struct Angry;

impl Drop for Angry {
    fn drop(&mut self) {
        resume_unwind(Box::new("angry"));
    }
}

#[test]
fn a_payload_whose_drop_panics() {
    crate::child::passes("panic::a_payload_whose_drop_panics", || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for pooled in [false, true] {
            let builder = FiberLayer::builder();
            let layer = if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap();
            runtime.block_on(async {
                let call = layer.run(|| std::panic::panic_any(Angry));
                let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
                assert!(payload.is::<Angry>(), "the caller gets it, and has to see to its drop");
                assert!(catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err());
                // Nobody takes this one.
                let mut call = Box::pin(layer.run(|| {
                    tower_fiber::until_caller_gone().wait();
                    std::panic::panic_any(Angry)
                }));
                assert!(poll_once(&mut call).await.is_none());
                drop(call);
                layer.handle().drained().await;
                // Nor this one, which is there already when the caller goes, by unwinding.
                let mut call = Box::pin(layer.run(|| std::panic::panic_any(Angry)));
                if pooled {
                    // Its worker may be faster, and this poll get the payload.
                    let polled = AssertUnwindSafe(poll_once(&mut call)).catch_unwind().await;
                    _ = catch_unwind(AssertUnwindSafe(|| drop(polled)));
                    layer.handle().drained().await;
                }
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    let _call = call;
                    resume_unwind(Box::new("expected"));
                }));
                assert!(unwound.unwrap_err().is::<&str>());
                assert_eq!(layer.run(|| async { 1 }.wait()).await, 1);
            });
            assert_eq!(layer.handle().counters().leaked, 0);
            assert_eq!(layer.handle().live(), 0);
        }
    });
}

/// A service whose clone panics when told to.
struct Fragile(Arc<AtomicBool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        if self.0.swap(false, Ordering::Relaxed) {
            resume_unwind(Box::new("clone"));
        }
        Self(self.0.clone())
    }
}

impl<R> tower::Service<R> for Fragile {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        pending_once().wait();
        drop(request);
        std::future::ready(Ok(()))
    }
}

#[test]
fn a_requests_drop_and_a_services_clone_panic_in_layer_code() {
    in_each_task(|| async {
        use tower::Service as _;

        for layer in both(FiberLayer::builder()) {
            let fragile = Arc::new(AtomicBool::new(false));
            let mut service = layer.layer(Fragile(fragile.clone()));
            fragile.store(true, Ordering::Relaxed);
            assert!(catch_unwind(AssertUnwindSafe(|| service.call(1))).is_err(), "in `call`");
            assert_eq!(service.call(2).await, Ok(()), "the service can be called again");

            let never_polled = service.call(Angry);
            assert!(catch_unwind(AssertUnwindSafe(|| drop(never_polled))).is_err(), "in the response's drop");
            let ended = AssertUnwindSafe(service.call(Angry)).catch_unwind().await;
            assert!(ended.is_err(), "in the fiber");
            let mut abandoned = Box::pin(service.call(Angry));
            // On the pool it may have ended already.
            _ = AssertUnwindSafe(poll_once(&mut abandoned)).catch_unwind().await;
            drop(abandoned);
            layer.handle().drained().await;
            assert_eq!(service.call(3).await, Ok(()));
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 0, 0));
        }
    });
}
