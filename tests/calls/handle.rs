//! A layer's end, through its handle: close, cancel, wait for the last call.

use std::{
    convert::Infallible,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt as _;
use tokio::{runtime::Builder, sync::oneshot};
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{
    Cancelled, FiberLayer, OnDrop, WaitExt as _, error::Closed, run_in_fiber, sync_fn, try_await_in_fiber,
};

use crate::support::{Drops, Held, both, in_each_task, poll_once, text_of_panic, until};

fn layers(policy: OnDrop) -> [FiberLayer; 2] {
    both(FiberLayer::builder().name("orders").on_drop(policy))
}

async fn is_pending(future: impl Future) -> bool {
    poll_once(&mut Box::pin(future)).await.is_none()
}

#[test]
fn a_closed_layer_refuses_new_calls_and_finishes_the_others() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let handle = layer.handle();
            let (open, gate) = oneshot::channel();
            let inner = layer.clone();
            let mut call = Box::pin(layer.run(move || {
                let value: u32 = gate.wait().unwrap();
                inner.run(move || async move { value + 1 }.wait()).wait()
            }));
            assert!(poll_once(&mut call).await.is_none());
            handle.close();
            let refused = AssertUnwindSafe(layer.layer(sync_fn(|()| Ok::<_, Infallible>(()))).oneshot(()));
            let payload = refused.catch_unwind().await.unwrap_err();
            let text = payload.downcast_ref::<String>().unwrap();
            assert!(text.contains("`orders`") && text.contains("closed"), "{text}");
            assert!(is_pending(handle.drained()).await);
            open.send(6).unwrap();
            assert_eq!(call.await, 7, "also what it calls of its own layer");
            handle.drained().await;
            assert_eq!(handle.counters(), Default::default());
        }
    });
}

#[test]
fn a_closed_layer_is_an_error_where_errors_are_boxed() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let (handle, drops) = (layer.handle(), Drops::default());
            let service = layer.layer(sync_fn(|_: Held| Ok::<_, BoxError>(())));
            service.clone().oneshot(drops.held()).await.unwrap();
            handle.close();
            let error = service.oneshot(drops.held()).await.unwrap_err();
            assert!(error.is::<Closed>() && error.to_string().contains("`orders`"), "{error}");
            assert_eq!(drops.count(), 2);
            handle.drained().await;
            assert_eq!(handle.counters(), Default::default());
        }
    });
}

#[test]
fn another_layers_fiber_is_no_way_in() {
    in_each_task(|| async {
        let [closed, _] = layers(OnDrop::Finish);
        closed.handle().close();
        let refused = run_in_fiber(move || text_of_panic(|| closed.run(|| ()).wait())).await;
        assert!(refused.contains("closed"), "{refused}");
    });
}

#[test]
fn a_call_by_way_of_another_layer_is_let_in() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let (between, inner, handle) = (FiberLayer::new(), layer.clone(), layer.handle());
            let call = layer.run(move || {
                handle.close();
                between.run(move || inner.run(|| async { 5 }.wait()).wait()).wait()
            });
            assert_eq!(call.await, 5);
        }
    });
}

#[test]
fn drained_waits_for_parked_services_and_abandoned_fibers() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let handle = layer.handle();
            handle.drained().await;
            let (open, gate) = oneshot::channel::<()>();
            let service = layer.layer(service_fn(|gate: oneshot::Receiver<()>| gate));
            let mut parked = Box::pin(service.oneshot(gate));
            assert!(poll_once(&mut parked).await.is_none());
            until(|| handle.live() == 0).await;
            assert!(is_pending(handle.drained()).await, "it has no fiber, but it is in flight");
            open.send(()).unwrap();
            parked.await.unwrap();
            handle.drained().await;

            let (open, gate) = oneshot::channel::<()>();
            let mut call = Box::pin(layer.run(|| gate.wait().unwrap()));
            assert!(poll_once(&mut call).await.is_none());
            drop(call);
            assert!(is_pending(handle.drained()).await);
            open.send(()).unwrap();
            handle.drained().await;
        }
    });
}

#[test]
fn two_wait_for_the_end() {
    in_each_task(|| async {
        let [layer, _] = layers(OnDrop::Finish);
        let (open, gate) = oneshot::channel::<()>();
        let call = tokio::spawn(layer.run(|| gate.wait().unwrap()));
        until(|| layer.handle().live() == 1).await;
        let waiting =
            [layer.handle(), layer.handle()].map(|handle| tokio::spawn(async move { handle.drained().await }));
        tokio::task::yield_now().await;
        open.send(()).unwrap();
        for task in waiting {
            task.await.unwrap();
        }
        call.await.unwrap();
    });
}

#[test]
fn cancel_all_fails_the_fallible_waits_of_calls_that_have_begun() {
    in_each_task(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel] {
            for layer in layers(policy) {
                let calls: Vec<_> = (0..100)
                    .map(|_| tokio::spawn(layer.run(|| try_await_in_fiber(pending::<()>()).unwrap_err().to_string())))
                    .collect();
                until(|| layer.handle().live() == 100).await;
                layer.handle().cancel_all();
                for call in calls {
                    let text = call.await.expect("its caller gets what the code makes of it");
                    assert!(text.contains("cancel_all"), "{text}");
                }
                assert_eq!(layer.handle().counters().cancelled, 100);
                let later = layer.run(|| try_await_in_fiber(async { tokio::task::yield_now().await }).is_ok());
                assert!(later.await, "later calls are not cancelled");
                assert_eq!(layer.handle().counters().cancelled, 100);
            }
        }
    });
}

#[test]
fn cancel_all_unwinds_under_unwind_and_the_caller_gets_the_payload() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Unwind) {
            let drops = Drops::default();
            let held = drops.held();
            let call = tokio::spawn(layer.run(move || {
                let _held = held;
                pending::<()>().wait();
            }));
            until(|| layer.handle().live() == 1).await;
            layer.handle().cancel_all();
            assert!(call.await.unwrap_err().into_panic().is::<Cancelled>());
            assert_eq!(drops.count(), 1);
        }
    });
}

#[test]
fn cancel_all_leaves_other_layers_alone() {
    in_each_task(|| async {
        let [[one, _], [two, _]] = [layers(OnDrop::Unwind), layers(OnDrop::Unwind)];
        let (open, gate) = oneshot::channel::<()>();
        let mut call = Box::pin(one.run(|| gate.wait().unwrap()));
        assert!(poll_once(&mut call).await.is_none());
        two.handle().cancel_all();
        tokio::task::yield_now().await;
        open.send(()).unwrap();
        call.await;
        assert_eq!(one.handle().counters().cancelled, 0);
    });
}

#[test]
fn cancel_all_reaches_a_fiber_that_runs_at_that_moment() {
    in_each_task(|| async {
        let pool = tower_fiber::FiberPool::builder().worker_threads(1).build().unwrap();
        let layer = FiberLayer::new().placement(pool);
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let (runs, running) = oneshot::channel();
        let call = tokio::spawn(layer.run(move || {
            runs.send(()).unwrap();
            busy.recv().unwrap();
            try_await_in_fiber(pending::<()>()).is_err()
        }));
        running.await.unwrap();
        layer.handle().cancel_all();
        free.send(()).unwrap();
        assert!(call.await.unwrap());
    });
}

#[test]
fn after_the_end_nothing_is_left_to_leak() {
    for layer in layers(OnDrop::Unwind) {
        let runtime = Builder::new_current_thread().build().unwrap();
        let handle = layer.handle();
        runtime.block_on(async {
            for _ in 0..1000 {
                tokio::spawn(layer.run(|| pending::<()>().wait()));
            }
            until(|| handle.live() == 1000).await;
            handle.close();
            handle.cancel_all();
            handle.drained().await;
        });
        drop(runtime);
        let counters = handle.counters();
        assert_eq!((counters.live, counters.stacks_in_use, counters.leaked, counters.cancelled), (0, 0, 0, 1000));
    }
}

#[test]
fn a_fiber_that_is_given_up_is_leaked_although_its_caller_waits() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Unwind) {
            let call = tokio::spawn(layer.run(|| {
                loop {
                    assert!(catch_unwind(|| pending::<()>().wait()).unwrap_err().is::<Cancelled>());
                }
            }));
            until(|| layer.handle().live() == 1).await;
            layer.handle().cancel_all();
            let told = tokio::time::timeout(std::time::Duration::from_secs(30), call).await.expect("it hangs");
            let payload = told.unwrap_err().into_panic();
            let text = payload.downcast_ref::<String>().unwrap();
            assert!(text.contains("`orders`") && text.contains("64 times"), "{text}");
            layer.handle().drained().await;
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 1, 1));
        }
    });
}

#[test]
fn a_fiber_that_blocks_its_thread_is_counted_while_it_does() {
    in_each_task(|| async {
        let layer = FiberLayer::builder().detect_blocking(std::time::Duration::from_millis(10)).build().unwrap();
        let handle = layer.handle();
        let begun = std::time::Instant::now();
        let counted = handle.clone();
        layer
            .run(move || {
                while counted.counters().blocked == 0 {
                    assert!(begun.elapsed() < std::time::Duration::from_secs(120), "it was not seen in two minutes");
                    std::hint::spin_loop();
                }
            })
            .await;
        assert_eq!(handle.counters().blocked, 1);
        assert_eq!(FiberLayer::new().handle().counters().blocked, 0);
    });
}
