//! Pools that end: fibers that live, futures, wakers. Each case is a process of its own, with a time limit.

use std::{cell::RefCell, future::poll_fn, sync::mpsc, task::Poll, time::Duration};

use tokio::{runtime::Builder, sync::watch};
use tower_fiber::{FiberLayer, FiberPool, OnDrop, WaitExt as _, try_await_in_fiber};

use crate::support::{Drops, poll_once, until};

const POLICIES: [OnDrop; 3] = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind];

/// A runtime of its own, to look on from outside.
fn outside(future: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), future).await.expect("it hangs") });
}

thread_local! {
    /// Dropped when its thread ends.
    static ALIVE: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) };
}

#[test]
fn a_pool_is_dropped_while_fibers_wait_that_nobody_awaits() {
    crate::child::passes("pool_end::a_pool_is_dropped_while_fibers_wait_that_nobody_awaits", || {
        for policy in POLICIES {
            let pool = FiberPool::builder().worker_threads(1).build().unwrap();
            let layer = FiberLayer::new().on_drop(policy).placement(pool);
            let (handle, drops) = (layer.handle(), Drops::default());
            let (alive, ended) = mpsc::channel();
            let (open, gate) = watch::channel(false);
            outside(async {
                layer.run(move || ALIVE.replace(Some(alive))).await;
                let mut calls = Vec::new();
                for _ in 0..20 {
                    let (mut gate, held) = (gate.clone(), drops.held());
                    let mut call = Box::pin(layer.run(move || {
                        let _held = held;
                        gate.wait_for(|open| *open).wait().unwrap();
                    }));
                    assert!(poll_once(&mut call).await.is_none());
                    calls.push(call);
                }
                until(|| handle.live() == 20).await;
                // With these the last handles of the pool go; only its fibers are left.
                drop((layer, calls));
                if policy != OnDrop::Unwind {
                    assert_eq!(handle.live(), 20);
                }
                open.send_replace(true);
                handle.drained().await;
            });
            assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Err(mpsc::RecvTimeoutError::Disconnected));
            let counters = handle.counters();
            assert_eq!((drops.count(), counters.leaked, counters.stacks_in_use), (20, 0, 0));
        }
    });
}

#[test]
fn a_pool_is_dropped_with_live_fibers_and_futures_after_it() {
    crate::child::passes("pool_end::a_pool_is_dropped_with_live_fibers_and_futures_after_it", || {
        for policy in POLICIES {
            let pool = FiberPool::builder().worker_threads(1).build().unwrap();
            let layer = FiberLayer::new().on_drop(policy).placement(pool);
            let handle = layer.handle();
            let drops = Drops::default();
            let (alive, ended) = mpsc::channel();
            outside(async {
                layer.run(move || ALIVE.replace(Some(alive))).await;
                let (open, gate) = watch::channel(false);
                let mut calls = Vec::new();
                for _ in 0..20 {
                    let (mut gate, held) = (gate.clone(), drops.held());
                    let mut call = Box::pin(layer.run(move || {
                        let _held = held;
                        // Cancelled or open, whichever comes first.
                        _ = try_await_in_fiber(gate.wait_for(|open| *open));
                    }));
                    assert!(poll_once(&mut call).await.is_none());
                    calls.push(call);
                }
                until(|| handle.live() == 20).await;
                let never_polled = layer.run(|| ());
                drop(layer);
                let (dropped, awaited) = (calls.split_off(10), calls);
                drop(dropped);
                drop(never_polled);
                open.send(true).unwrap();
                for call in awaited {
                    call.await;
                }
                handle.drained().await;
            });
            assert_eq!((drops.count(), handle.counters().leaked), (20, 0));
            assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Err(mpsc::RecvTimeoutError::Disconnected));
        }
    });
}

#[test]
fn a_waker_is_woken_and_dropped_on_a_foreign_thread_after_the_pool_has_ended() {
    crate::child::passes("pool_end::a_waker_is_woken_and_dropped_on_a_foreign_thread_after_the_pool_has_ended", || {
        let runtime = Builder::new_current_thread().build().unwrap();
        let pool = FiberPool::builder().worker_threads(1).build().unwrap();
        let layer = FiberLayer::new().placement(pool);
        let (alive, ended) = mpsc::channel();
        let (wakers, sent) = mpsc::channel();
        let handle = layer.handle();
        let call = layer.run(move || {
            ALIVE.replace(Some(alive));
            poll_fn(move |cx| {
                (0..3).for_each(|_| wakers.send(cx.waker().clone()).unwrap());
                Poll::Ready(())
            })
            .wait();
        });
        runtime.block_on(call);
        drop(layer);
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Err(mpsc::RecvTimeoutError::Disconnected));
        let [first, second, third] = [(); 3].map(|()| sent.recv().unwrap());
        first.wake_by_ref();
        drop(first);
        second.wake();
        drop(third);
        assert_eq!(handle.counters(), Default::default());
    });
}
