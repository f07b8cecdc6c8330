//! What a stream has of the call that makes it, whichever task polls it later.

#![cfg(feature = "stream")]

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

use futures_util::StreamExt as _;
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
};
use tower_fiber::{
    FiberHandle, FiberLayer, FiberLayerBuilder, FiberPool, OnDrop, WaitExt as _, block_on_waits, caller_gone, offload,
    race, run_in_fiber, run_local,
    stream::{FiberIter, FiberStream, Yielder, fiber_stream},
};

use crate::{
    current::{CURRENT, Current},
    support::{both_with_one_worker, on_each_runtime, poll_once, until},
};

tokio::task_local! {
    static USER: &'static str;
    static REQUEST: u32;
}

type Seen = (Option<&'static str>, Option<u32>, u32);

fn seen() -> Seen {
    (USER.try_with(|user| *user).ok(), REQUEST.try_with(|request| *request).ok(), CURRENT.get())
}

/// Gives what it sees before and after a wait.
fn look() -> FiberStream<Seen> {
    fiber_stream(|y: &mut Yielder<Seen>| {
        for _ in 0..3 {
            y.send(seen()).unwrap();
            yield_now().wait();
        }
    })
}

fn shop() -> FiberLayerBuilder {
    FiberLayer::builder().name("shop").carry(&USER)
}

#[test]
fn it_has_what_its_maker_has_when_it_is_made() {
    on_each_runtime(|| async {
        let hook = Current::default();
        for layer in both_with_one_worker(shop().carry(&REQUEST).hook(hook.clone())) {
            CURRENT.set(3);
            let made = USER.scope("ada", REQUEST.scope(1, layer.run(|| REQUEST.sync_scope(2, look)))).await;
            CURRENT.set(4);
            // Another task, with values of its own.
            let given = USER.scope("eve", REQUEST.scope(9, made.collect::<Vec<_>>())).await;
            assert_eq!(given, [(Some("ada"), Some(2), 3); 3]);
            assert_eq!((CURRENT.replace(0), hook.0.load(Ordering::Relaxed)), (4, 0));
        }
    });
}

#[test]
fn it_runs_where_its_layer_runs() {
    on_each_runtime(|| async {
        let pool = FiberPool::builder().worker_threads(1).thread_name("shop").build().unwrap();
        let layer = shop().placement(pool).build().unwrap();
        let made = layer.run(|| {
            fiber_stream(|y: &mut Yielder<String>| {
                yield_now().wait();
                y.send(thread::current().name().unwrap().to_owned()).unwrap();
            })
        });
        let made = made.await;
        assert_eq!(made.collect::<Vec<_>>().await, ["shop-0"]);
        // The stream does not keep the pool; what is made on a pool that has ended runs elsewhere.
        let kept = layer.run(look).await;
        drop(layer);
        assert_eq!(kept.count().await, 3);
    });
}

#[test]
fn its_layer_knows_it() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop()) {
            let handle = layer.handle();
            let mut made = layer.run(look).await;
            assert_eq!(handle.live(), 0);
            made.next().await.unwrap();
            until(|| handle.dump().fibers.len() == 1).await;
            assert_eq!((handle.dump().fibers[0].service.as_str(), handle.live()), ("shop", 1));
            assert!(poll_once(&mut Box::pin(handle.drained())).await.is_none());
            assert_eq!(made.count().await, 2);
            handle.drained().await;
            assert_eq!((handle.live(), handle.counters().leaked), (0, 0));
        }
    });
}

/// A part of a call that was let in.
#[test]
fn a_closed_layer_does_not_refuse_it() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop()) {
            let handle = layer.handle();
            let (made, unread) = (layer.run(look).await, layer.run(look).await);
            handle.close();
            let mut drained = Box::pin(handle.drained());
            assert!(poll_once(&mut drained).await.is_none());
            assert_eq!(made.count().await, 3);
            assert!(poll_once(&mut drained).await.is_none());
            drop(unread);
            drained.await;
        }
    });
}

/// The fiber that holds the only permit waits for it in another task.
#[test]
fn the_limit_does_not_hold_it_back() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop().max_fibers(1)) {
            let given = layer.run(|| tokio::spawn(look().collect::<Vec<_>>()).wait().unwrap());
            assert_eq!(given.await.len(), 3);
            // Slow readers hold no calls back.
            let mut open = Vec::new();
            for _ in 0..5 {
                let mut made = layer.run(look).await;
                made.next().await.unwrap();
                open.push(made);
            }
            assert_eq!(layer.run(|| 7).await, 7);
            // It may make calls of its layer.
            let inside = layer.clone();
            let calls = layer.run(|| {
                fiber_stream(move |y: &mut Yielder<u32>| {
                    for n in 0..3 {
                        y.send(inside.run(move || n).wait()).unwrap();
                    }
                })
            });
            assert_eq!(calls.await.collect::<Vec<_>>().await, [0, 1, 2]);
            drop(open);
            layer.handle().drained().await;
        }
    });
}

#[test]
fn neither_does_it_hold_calls_back_when_its_reader_has_gone() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop().max_fibers(1)) {
            let gate = Arc::new(Notify::new());
            let opened = Arc::clone(&gate);
            let (report, reported) = oneshot::channel();
            let make = || {
                fiber_stream(move |y: &mut Yielder<u32>| {
                    y.send(1).unwrap();
                    opened.notified().wait();
                    report.send((y.is_closed(), caller_gone())).unwrap();
                })
            };
            let mut made = layer.run(make).await;
            assert_eq!(made.next().await, Some(1));
            drop(made);
            assert_eq!(layer.run(|| 7).await, 7);
            assert_eq!(layer.handle().live(), 1);
            gate.notify_one();
            assert_eq!(reported.await, Ok((true, true)));
            layer.handle().drained().await;
        }
    });
}

async fn is_cancelled(handle: &FiberHandle, made: FiberStream<Seen>) {
    let mut made = made;
    made.next().await.unwrap();
    until(|| handle.live() == 1).await;
    drop(made);
    handle.drained().await;
    assert_eq!(handle.counters().cancelled, 1);
}

#[test]
fn its_layers_policy_applies_when_its_reader_goes() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop().on_drop(OnDrop::Unwind)) {
            let endless = || {
                fiber_stream(|y: &mut Yielder<Seen>| {
                    y.send(seen()).unwrap();
                    std::future::pending::<()>().wait();
                })
            };
            is_cancelled(&layer.handle(), layer.run(endless).await).await;
        }
    });
}

/// Functions without a layer of their own belong to the call around them.
#[test]
fn the_innermost_layer_is_meant() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop()) {
            let inner = FiberLayer::builder().name("inner").carry(&REQUEST).build().unwrap();
            let handles = [layer.handle(), inner.handle()];
            let made = layer.run(move || {
                let by_a_function = run_in_fiber(look).wait();
                let by_a_local = run_local(look).wait();
                let by_a_racer = race([look, look]);
                let by_the_inner = REQUEST.sync_scope(5, || inner.run(look)).wait();
                [by_a_function, by_a_local, by_a_racer, by_the_inner]
            });
            let [function, local, racer, of_inner] = USER.scope("ada", made).await;
            for mut made in [function, local, racer] {
                assert_eq!(made.next().await, Some((Some("ada"), None, 0)));
                assert_eq!(handles.each_ref().map(FiberHandle::live), [1, 0]);
                assert_eq!(made.count().await, 2);
            }
            let mut made = of_inner;
            assert_eq!(made.next().await, Some((Some("ada"), Some(5), 0)), "what either carries follows it");
            assert_eq!(handles.each_ref().map(FiberHandle::live), [0, 1]);
            drop(made);
            handles[1].drained().await;
        }
    });
}

#[test]
fn what_is_offloaded_makes_it_too() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop()) {
            let made = USER.scope("ada", layer.run(|| offload(look))).await;
            assert_eq!(made.collect::<Vec<_>>().await, [(Some("ada"), None, 0); 3]);
        }
    });
}

#[test]
fn outside_of_calls_it_has_nothing() {
    on_each_runtime(|| async {
        assert_eq!(USER.scope("ada", async { look() }).await.collect::<Vec<_>>().await, [(None, None, 0); 3]);
        assert_eq!(USER.scope("ada", run_in_fiber(look)).await.collect::<Vec<_>>().await, [(None, None, 0); 3]);
    });
    assert_eq!(block_on_waits(|| look().count().wait()), 3);
}

/// Read by its maker, it lies inside.
#[test]
fn its_maker_reads_it() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(shop().max_fibers(1)) {
            let given = USER.scope("ada", layer.run(|| FiberIter::new(look()).collect::<Vec<_>>())).await;
            assert_eq!(given, [(Some("ada"), None, 0); 3]);
        }
    });
}
