//! What a fiber knows of its caller.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    sync::{mpsc, oneshot},
    task,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _, block_on_waits, caller_gone, run_in_fiber, run_local, until_caller_gone,
    yield_now,
};

use crate::support::{both, poll_once, until};

#[tokio::test]
async fn a_loop_that_waits_can_look() {
    for layer in both(FiberLayer::builder()) {
        let (report, mut reports) = mpsc::unbounded_channel();
        let mut call = Box::pin(layer.run(move || {
            assert!(!caller_gone());
            report.send("begun").unwrap();
            while !caller_gone() {
                yield_now();
            }
            report.send("gone").unwrap();
        }));
        assert!(poll_once(&mut call).await.is_none());
        assert_eq!(reports.recv().await, Some("begun"));
        drop(call);
        assert_eq!(reports.recv().await, Some("gone"));
        layer.handle().drained().await;
        assert_eq!(layer.handle().counters().cancelled, 0, "Finish only tells");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_loop_that_never_waits_can_look() {
    let layer = FiberLayer::new();
    let (report, mut reports) = mpsc::unbounded_channel();
    let call = tokio::spawn(layer.run(move || {
        report.send("begun").unwrap();
        while !caller_gone() {
            std::hint::spin_loop();
        }
        report.send("gone").unwrap();
    }));
    assert_eq!(reports.recv().await, Some("begun"));
    call.abort();
    assert_eq!(reports.recv().await, Some("gone"));
}

#[tokio::test]
async fn a_select_ends_when_the_caller_goes() {
    for layer in both(FiberLayer::builder()) {
        let (report, reports) = oneshot::channel();
        let (begun, begins) = oneshot::channel();
        let mut call = Box::pin(layer.run(move || {
            begun.send(()).unwrap();
            let either = async {
                tokio::select! {
                    () = pending() => "never",
                    () = until_caller_gone() => "gone",
                }
            };
            report.send(either.wait()).unwrap();
        }));
        assert!(poll_once(&mut call).await.is_none());
        begins.await.unwrap();
        drop(call);
        assert_eq!(reports.await, Ok("gone"));
        layer.handle().drained().await;
    }
}

#[tokio::test]
async fn a_task_of_its_own_can_wait_for_it() {
    for layer in both(FiberLayer::builder()) {
        for dropped in [true, false] {
            let (send, receive) = oneshot::channel();
            let (open, gate) = oneshot::channel::<()>();
            let mut call = Box::pin(layer.run(move || {
                let gone = until_caller_gone();
                send.send(tokio::spawn(gone)).unwrap();
                gate.wait().unwrap();
            }));
            assert!(poll_once(&mut call).await.is_none());
            let task = receive.await.unwrap();
            task::yield_now().await;
            assert!(!task.is_finished());
            if dropped {
                drop(call);
                task.await.unwrap();
                open.send(()).unwrap();
            } else {
                open.send(()).unwrap();
                call.await;
                task.await.expect("the end of the fiber counts too");
            }
            layer.handle().drained().await;
        }
    }
}

#[tokio::test]
async fn nested_fibers_hear_of_it() {
    for layer in both(FiberLayer::builder()) {
        let seen = Arc::new(AtomicBool::new(false));
        let (inner, inside) = (layer.clone(), Arc::clone(&seen));
        let (begun, begins) = oneshot::channel();
        let mut call = Box::pin(layer.run(move || {
            let innermost = inner.run(move || {
                begun.send(()).unwrap();
                until_caller_gone().wait();
                inside.store(caller_gone(), Ordering::Relaxed);
            });
            innermost.wait();
            assert!(caller_gone());
        }));
        assert!(poll_once(&mut call).await.is_none());
        begins.await.unwrap();
        drop(call);
        layer.handle().drained().await;
        assert!(seen.load(Ordering::Relaxed));
        assert_eq!(layer.handle().counters().leaked, 0);
    }
}

#[tokio::test]
async fn under_finish_nested_fibers_hear_but_are_not_cancelled() {
    let outer = FiberLayer::new();
    let inner = FiberLayer::new().on_drop(OnDrop::Unwind);
    let watched = inner.handle();
    let (open, gate) = oneshot::channel::<u32>();
    let (effect, effects) = oneshot::channel();
    let mut call = Box::pin(outer.run(move || {
        let value = inner.run(|| gate.wait().unwrap()).wait();
        effect.send(value).unwrap();
    }));
    assert!(poll_once(&mut call).await.is_none());
    drop(call);
    task::yield_now().await;
    open.send(4).unwrap();
    assert_eq!(effects.await, Ok(4));
    assert_eq!(watched.counters().cancelled, 0);
}

#[tokio::test]
async fn whoever_awaits_to_the_end_is_not_gone() {
    assert!(!run_in_fiber(caller_gone).await);
    let waited = run_in_fiber(|| {
        task::yield_now().wait();
        caller_gone()
    });
    assert!(!waited.await);
    assert!(!run_local(caller_gone).await);
}

#[tokio::test]
async fn outside_fibers_nobody_goes() {
    assert!(!caller_gone());
    assert!(poll_once(&mut Box::pin(until_caller_gone())).await.is_none());
    assert!(!task::spawn_blocking(|| block_on_waits(caller_gone)).await.unwrap());
}

#[tokio::test]
async fn what_is_seen_is_seen_before_the_first_wait_too() {
    // The caller of a call on the pool can go before the fiber begins.
    let pool = tower_fiber::FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let (free, busy) = std::sync::mpsc::channel::<()>();
    let blocker = tokio::spawn(layer.run(move || busy.recv().unwrap()));
    until(|| layer.handle().live() == 1).await;
    let (report, reports) = oneshot::channel();
    let mut call = Box::pin(layer.run(move || report.send(caller_gone()).unwrap()));
    assert!(poll_once(&mut call).await.is_none());
    drop(call);
    free.send(()).unwrap();
    assert_eq!(reports.await, Ok(true));
    blocker.await.unwrap();
}

#[tokio::test]
async fn an_async_service_that_holds_no_stack_is_not_told_too_early() {
    for layer in both(FiberLayer::builder()) {
        let (open, gate) = oneshot::channel::<u32>();
        let gate = Arc::new(Mutex::new(Some(gate)));
        let service = layer.layer(service_fn(move |()| {
            let gate = gate.lock().unwrap().take().unwrap();
            async move {
                // Made on a stack that is given back while this waits.
                let gone = until_caller_gone();
                Ok::<_, Infallible>(tokio::select! {
                    biased;
                    () = gone => None,
                    value = gate => Some(value.unwrap()),
                })
            }
        }));
        let mut call = tokio::spawn(service.oneshot(()));
        until(|| layer.handle().counters().stacks_in_use == 0).await;
        for _ in 0..10 {
            assert!(poll_once(&mut call).await.is_none(), "its caller is there");
            task::yield_now().await;
        }
        open.send(3).unwrap();
        assert_eq!(call.await.unwrap(), Ok(Some(3)));
    }
}
