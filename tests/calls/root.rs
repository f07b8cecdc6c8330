//! Async services behind the layer: their futures are polled on a fiber, but do not live on one.

use std::{
    convert::Infallible,
    future::{Future, pending},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::oneshot, time::sleep};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_fiber::{FiberLayer, FiberService, OnDrop, Placement, WaitExt as _, in_fiber};

use crate::support::{Drops, until};

#[tokio::test]
async fn an_idle_async_handler_holds_no_stack() {
    let layer = FiberLayer::new();
    let service = layer.layer(service_fn(|()| pending::<Result<(), Infallible>>()));
    let mut calls: Vec<_> = (0..100).map(|_| task::spawn(service.clone().oneshot(()))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert_eq!(layer.handle().counters().stacks_in_use, 0);
    assert_eq!(layer.handle().live(), 0);
}

#[tokio::test]
async fn an_idle_async_handler_holds_no_stack_and_is_dropped_with_its_response_under_any_policy() {
    for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
        for pooled in [false, true] {
            let builder = FiberLayer::builder().on_drop(policy);
            let layer = if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap();
            let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
            let drops = Drops::default();
            let held = drops.clone();
            let mut service = layer.layer(service_fn(move |()| {
                begun.send(()).unwrap();
                let held = held.held();
                async move {
                    pending::<()>().await;
                    drop(held);
                    Ok::<_, Infallible>(())
                }
            }));
            let mut call = task::spawn(service.call(()));
            assert_pending!(call.poll());
            begins.recv().await.unwrap();
            // A worker sends before its poll of the future has ended.
            until(|| layer.handle().counters().stacks_in_use == 0).await;
            assert_eq!(drops.count(), 0);
            drop(call);
            if !pooled {
                assert_eq!(drops.count(), 1, "here and now");
            }
            layer.handle().drained().await;
            assert_eq!(drops.count(), 1);
            assert_eq!(layer.handle().counters(), Default::default());
        }
    }
}

#[tokio::test]
async fn sync_code_below_an_async_handler_waits_with_its_stack() {
    let layer = FiberLayer::new();
    let (send, receive) = oneshot::channel();
    let receive = Arc::new(Mutex::new(Some(receive)));
    let mut service = layer.layer(service_fn(move |n: u32| {
        let receive = receive.lock().unwrap().take().unwrap();
        async move {
            tokio::task::yield_now().await;
            let plain = || -> u32 { receive.wait().unwrap() };
            Ok::<_, Infallible>(n + plain())
        }
    }));
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    assert_eq!(layer.handle().counters().stacks_in_use, 0, "the yield of the async part holds no stack");
    assert_pending!(call.poll());
    assert_eq!(layer.handle().counters().stacks_in_use, 1, "the wait of the sync part does");
    send.send(2).unwrap();
    assert_eq!(assert_ready!(call.poll()), Ok(3));
    assert_eq!(layer.handle().counters(), Default::default());
}

/// A sync part that waits twice, and an async part whose wake arrives while the sync part waits.
async fn sync_and_async() -> (u32, u32) {
    let (send, receive) = oneshot::channel();
    let sync_part = async {
        sleep(Duration::from_millis(10)).wait();
        send.send(7).unwrap();
        sleep(Duration::from_millis(10)).wait();
        1
    };
    let async_part = async { receive.await.unwrap() };
    tokio::join!(async_part, sync_part)
}

#[tokio::test(start_paused = true)]
async fn join_of_a_sync_and_an_async_part_loses_no_wake() {
    let service = FiberService::new(service_fn(|()| async { Ok::<_, Infallible>(sync_and_async().await) }));
    assert_eq!(service.oneshot(()).await, Ok((7, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn join_on_the_pool_loses_no_wake() {
    let service = FiberService::new(service_fn(|()| async { Ok::<_, Infallible>(sync_and_async().await) }));
    for _ in 0..20 {
        assert_eq!(service.clone().oneshot(()).await, Ok((7, 1)));
    }
}

#[tokio::test]
async fn a_siblings_wake_that_the_wait_consumed_is_made_good() {
    // The async part is woken once, while the sync part waits; that wake resumes the fiber instead.
    let (wake_async, woken_async) = oneshot::channel::<u32>();
    let (wake_sync, woken_sync) = oneshot::channel::<u32>();
    let parts = Arc::new(Mutex::new(Some((woken_async, woken_sync))));
    let mut service = FiberService::new(service_fn(move |()| {
        let (woken_async, woken_sync) = parts.lock().unwrap().take().unwrap();
        async move {
            let never = pending::<()>();
            tokio::select! {
                value = async {
                    let (a, b) = tokio::join!(woken_async, async { woken_sync.wait().unwrap() });
                    a.unwrap() + b
                } => Ok::<_, Infallible>(value),
                () = never => unreachable!(),
            }
        }
    }));
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    wake_async.send(1).unwrap();
    assert!(call.is_woken());
    assert_pending!(call.poll());
    wake_sync.send(2).unwrap();
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()), Ok(3));
}

#[tokio::test(start_paused = true)]
async fn a_time_out_inside_the_layer_does_not_advance_while_sync_code_waits() {
    let service = FiberService::new(service_fn(|()| async {
        let slow = async {
            sleep(Duration::from_secs(60)).wait();
            "ended"
        };
        Ok::<_, Infallible>(tokio::time::timeout(Duration::from_secs(1), slow).await.unwrap_or("elapsed"))
    }));
    assert_eq!(service.oneshot(()).await, Ok("ended"));
}

#[tokio::test]
async fn the_service_need_not_be_sync_nor_its_future_send() {
    fn send<F: Future + Send>(f: F) -> F {
        f
    }
    let not_sync = std::cell::Cell::new(1);
    let service = service_fn(move |n: u32| {
        not_sync.set(0);
        async move {
            let local = std::rc::Rc::new(n);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>((*local, in_fiber()))
        }
    });
    assert_eq!(send(FiberService::new(service.clone()).oneshot(5)).await, Ok((5, true)));
    let pooled = FiberLayer::new().placement(Placement::SharedPool).layer(service);
    assert_eq!(send(pooled.oneshot(5)).await, Ok((5, true)));
}
