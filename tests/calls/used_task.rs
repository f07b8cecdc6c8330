//! Calls in a task that has made others, as each connection of a server is one: they begin without looking for their
//! place, and most end where they began.

use std::{
    cell::RefCell,
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::oneshot,
    task::{spawn_local, yield_now},
};
use tokio_test::task;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_fiber::{
    Counters, FiberLayer, OnDrop, WaitExt as _, caller_gone, fiber_local, in_fiber, run_in_fiber, until_caller_gone,
};

use crate::support::{Drops, Held, in_used_task, poll_once, skipped_without_own_stacks, until};

fiber_local! {
    static HELD: RefCell<Option<Held>> = RefCell::new(None);
}

#[test]
fn the_books_balance_while_ended_futures_are_kept() {
    in_used_task(async {
        let layer = FiberLayer::new();
        let handle = layer.handle();
        let drops = Drops::default();
        let mut ended = Vec::new();
        for n in 0..10 {
            let (inside, held) = (handle.clone(), drops.held());
            let mut call = layer.run(move || {
                HELD.with(|local| *local.borrow_mut() = Some(held));
                assert_eq!((in_fiber(), inside.live()), (true, 1));
                n
            });
            assert_eq!(poll_once(&mut call).await, Some(n));
            ended.push(call);
        }
        assert_eq!(drops.count(), 10);
        assert_eq!(handle.counters(), Counters::default());
        handle.drained().await;
    });
}

#[test]
fn a_call_that_waits_is_seen_and_goes_on() {
    in_used_task(async {
        let layer = FiberLayer::new().name("orders");
        for n in 0..3 {
            let (open, gate) = oneshot::channel();
            let mut call = layer.run(move || gate.wait().unwrap());
            assert_eq!(poll_once(&mut call).await, None);
            assert_eq!(layer.handle().live(), 1);
            let dump = layer.handle().dump().to_string();
            assert!(dump.contains("orders") && dump.contains("used_task.rs"), "{dump}");
            open.send(n).unwrap();
            assert_eq!(call.await, n);
            assert_eq!(layer.handle().counters(), Counters::default());
        }
    });
}

#[test]
fn an_ended_call_cannot_be_polled_again() {
    in_used_task(async {
        let mut call = Box::pin(run_in_fiber(|| 1));
        assert_eq!(call.as_mut().await, 1);
        let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert!(payload.downcast_ref::<String>().unwrap().contains("polled after it had ended"));
    });
}

#[test]
fn a_closed_layer_refuses() {
    in_used_task(async {
        let layer = FiberLayer::new().name("orders");
        let mut service = layer.layer(sync_held());
        let drops = Drops::default();
        service.ready().await.unwrap().call(drops.held()).await.unwrap();
        layer.handle().close();
        let refused = AssertUnwindSafe(service.call(drops.held()));
        let payload = refused.catch_unwind().await.unwrap_err();
        assert!(payload.downcast_ref::<String>().unwrap().contains("the layer of service `orders` is closed"));
        assert_eq!(drops.count(), 2);
        assert_eq!(layer.handle().counters(), Counters::default());
        layer.handle().drained().await;
    });
}

fn sync_held() -> impl tower::Service<Held, Response = (), Error = Infallible, Future: Send> + Clone + Send {
    tower_fiber::sync_fn(|held: Held| {
        drop(held);
        Ok(())
    })
}

#[test]
fn whoever_waits_for_the_last_call_is_woken_by_one_that_did_not_wait() {
    in_used_task(async {
        let layer = FiberLayer::new();
        let drained = Arc::new(Mutex::new(task::spawn(wait_for_last(&layer))));
        let waiting = Arc::clone(&drained);
        layer.run(move || assert!(waiting.lock().unwrap().poll().is_pending())).await;
        assert!(drained.lock().unwrap().is_woken());
        assert!(drained.lock().unwrap().poll().is_ready());
    });
}

fn wait_for_last(layer: &FiberLayer) -> BoxFuture<'static, ()> {
    let handle = layer.handle();
    Box::pin(async move { handle.drained().await })
}

#[test]
fn panics_pass() {
    in_used_task(async {
        let layer = FiberLayer::new();
        for _ in 0..3 {
            let drops = Drops::default();
            let held = drops.held();
            let call = layer.run(move || {
                HELD.with(|local| *local.borrow_mut() = Some(held));
                panic!("as it is")
            });
            let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"as it is"));
            assert_eq!(drops.count(), 1);
            assert_eq!(layer.handle().counters(), Counters::default());
            assert!(!in_fiber());
        }
    });
}

#[test]
fn an_async_service_is_parked_and_polled_again() {
    in_used_task(async {
        let layer = FiberLayer::new();
        let mut service = layer.layer(service_fn(|gate: oneshot::Receiver<u32>| async {
            let first = gate.await.unwrap();
            Ok::<_, Infallible>(first + async { 1 }.wait())
        }));
        for n in 0..3 {
            let (open, gate) = oneshot::channel();
            let mut call = service.call(gate);
            assert!(poll_once(&mut call).await.is_none());
            assert_eq!(layer.handle().counters().stacks_in_use, 0);
            assert!(poll_once(&mut wait_for_last(&layer)).await.is_none());
            open.send(n).unwrap();
            assert_eq!(call.await, Ok(n + 1));
            assert_eq!(layer.handle().counters(), Counters::default());
        }
    });
}

#[test]
fn a_call_whose_caller_goes_at_its_first_wait_follows_the_policy() {
    for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
        in_used_task(async move {
            let layer = FiberLayer::new().on_drop(policy);
            layer.run(|| ()).await;
            let drops = Drops::default();
            let (open, gate) = oneshot::channel::<()>();
            let (held, (report, reports)) = (drops.held(), mpsc::channel());
            let mut call = layer.run(move || {
                let _held = held;
                let until_gone = until_caller_gone();
                _ = gate.wait();
                until_gone.wait();
                report.send(caller_gone()).unwrap();
            });
            assert!(poll_once(&mut call).await.is_none());
            drop(call);
            assert_eq!(drops.count(), 0);
            drop(open);
            layer.handle().drained().await;
            assert_eq!(drops.count(), 1);
            assert_eq!(reports.try_recv().is_ok(), policy != OnDrop::Unwind);
            let counters = layer.handle().counters();
            assert_eq!(counters.handed_over, 1);
            assert_eq!(counters.cancelled, u64::from(policy != OnDrop::Finish));
            assert_eq!((counters.live, counters.leaked), (0, 0));
        });
    }
}

#[test]
fn all_can_be_cancelled() {
    in_used_task(async {
        let layer = FiberLayer::new().on_drop(OnDrop::Unwind);
        layer.handle().cancel_all();
        let later = layer.run(|| {
            yield_now().wait();
            1
        });
        assert_eq!(later.await, 1, "those that were meant were made before");
        let mut call = layer.run(|| std::future::pending::<()>().wait());
        assert!(poll_once(&mut call).await.is_none());
        layer.handle().cancel_all();
        let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert!(payload.is::<tower_fiber::Cancelled>());
        assert_eq!(layer.handle().counters().cancelled, 1);
    });
}

#[test]
fn fibers_inside_of_it_have_a_place_of_their_own() {
    in_used_task(async {
        let layer = FiberLayer::new();
        // At first there is no stack for it that was used before.
        for _ in 0..3 {
            let inner = layer.clone();
            let call = layer.run(move || {
                let ended = inner.run(|| 1).wait();
                let waited = inner.run(|| {
                    yield_now().wait();
                    async { 2 }.wait()
                });
                ended + waited.wait()
            });
            assert_eq!(call.await, 3);
            assert_eq!(layer.handle().counters(), Counters::default());
        }
    });
}

#[test]
fn a_limit_holds() {
    in_used_task(async {
        let layer = FiberLayer::builder().max_fibers(1).build().unwrap();
        layer.run(|| ()).await;
        let (open, gate) = oneshot::channel::<()>();
        let mut first = layer.run(move || gate.wait().unwrap());
        assert!(poll_once(&mut first).await.is_none());
        let mut second = layer.run(|| 2);
        assert!(poll_once(&mut second).await.is_none());
        open.send(()).unwrap();
        first.await;
        assert_eq!(second.await, 2);
    });
}

#[test]
fn stacks_are_measured() {
    if skipped_without_own_stacks() {
        return;
    }
    in_used_task(async {
        let layer = FiberLayer::new();
        layer.run(|| ()).await;
        layer.handle().measure_stacks(1);
        layer.run(|| std::hint::black_box([1_u8; 100_000])).await;
        let counters = layer.handle().counters();
        assert_eq!(counters.stacks_measured, 1);
        assert!(counters.deepest_stack >= 100_000, "{counters:?}");
    });
}

#[test]
fn another_task_on_another_runtime_has_its_own_place() {
    in_used_task(async {
        let layer = FiberLayer::new();
        let other = layer.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
            runtime.block_on(async move {
                let tasks = (0..3).map(|_| tokio::spawn(other.run(|| thread::current().name().map(str::to_owned))));
                futures_util::future::join_all(tasks).await
            })
        });
        for name in thread.join().unwrap() {
            let name = name.unwrap().expect("workers have names");
            assert!(name.contains("fiber"), "on the pool, not on {name}");
        }
        let task = spawn_local(layer.run(|| thread::current().id()));
        assert_eq!(task.await.unwrap(), thread::current().id());
        until(|| layer.handle().live() == 0).await;
    });
}
