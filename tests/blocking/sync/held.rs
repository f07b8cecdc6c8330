//! A lock that is held over a wait: by many fibers of one thread, by fibers of several threads, and by threads beside
//! them.

use std::{sync::Arc, thread};

use futures_util::future::join_all;
use tokio::task::{spawn_blocking, yield_now};
use tower_fiber::{
    BlockingLayer, FiberLayer, FiberPool, Placement, WaitExt as _, block_on_waits, join, offload, run_in_fiber,
    sync::{Mutex, RwLock},
};

use crate::support::{both_with_one_worker, on_each_runtime, until};

/// Adds one, and lets others run between reading and writing, in whatever way the code waits.
fn add(stock: &Mutex<u32>) {
    let mut stock = stock.lock().unwrap();
    let before = *stock;
    yield_now().wait();
    *stock = before + 1;
}

/// The same on a thread on which nothing of the crate is set up.
fn add_plainly(stock: &Mutex<u32>) {
    let mut stock = stock.lock().unwrap();
    let before = *stock;
    thread::yield_now();
    *stock = before + 1;
}

#[test]
fn by_fibers_of_one_task() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let stock = Arc::new(Mutex::new(0));
            let calls = (0..100).map(|_| {
                let stock = Arc::clone(&stock);
                layer.run(move || add(&stock))
            });
            join_all(calls).await;
            assert_eq!(*stock.lock().unwrap(), 100);
        }
    });
}

#[test]
fn by_fibers_threads_and_the_blocking_pool() {
    on_each_runtime(|| async {
        let pool = FiberPool::builder().worker_threads(2).build().unwrap();
        let layer = FiberLayer::builder().placement(pool).build().unwrap();
        let blocking = BlockingLayer::new();
        let stock = Arc::new(Mutex::new(0));
        let handed = || Arc::clone(&stock);
        let on_pool = join_all((0..50).map(|_| {
            let stock = handed();
            layer.run(move || add(&stock))
        }));
        let here = join_all((0..50).map(|_| {
            let stock = handed();
            run_in_fiber(move || add(&stock))
        }));
        let offloaded = join_all((0..10).map(|_| {
            let stock = handed();
            run_in_fiber(move || offload(move || add(&stock)))
        }));
        let blocking = join_all((0..10).map(|_| {
            let stock = handed();
            blocking.run(move || add(&stock))
        }));
        let spawned = join_all((0..10).map(|_| {
            let stock = handed();
            spawn_blocking(move || add_plainly(&stock))
        }));
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let stock = handed();
                thread::spawn(move || match thread % 2 {
                    0 => (0..10).for_each(|_| add_plainly(&stock)),
                    _ => block_on_waits(|| (0..10).for_each(|_| add(&stock))),
                })
            })
            .collect();
        tokio::join!(on_pool, here, offloaded, blocking, spawned);
        let threads = spawn_blocking(|| threads.into_iter().for_each(|thread| thread.join().unwrap()));
        threads.await.unwrap();
        assert_eq!(*stock.lock().unwrap(), 50 + 50 + 10 + 10 + 10 + 40);
    });
}

#[test]
fn in_turn() {
    on_each_runtime(|| async {
        for layer in super::on_one_thread() {
            let turns = Arc::new(Mutex::new(Vec::new()));
            let calls = (0..5).map(|call| {
                let turns = Arc::clone(&turns);
                layer.run(move || {
                    for _ in 0..3 {
                        // The fiber that has had it gets it again after all others.
                        let mut turns = turns.lock().unwrap();
                        yield_now().wait();
                        turns.push(call);
                    }
                })
            });
            let held = turns.lock().unwrap();
            let all_wait = async {
                until(|| super::waiting(&layer) == 5).await;
                drop(held);
            };
            tokio::join!(join_all(calls), all_wait);
            let turns = turns.lock().unwrap();
            let expected: Vec<_> = (0..3).flat_map(|_| 0..5).collect();
            assert_eq!(*turns, expected);
        }
    });
}

#[test]
fn a_writer_is_not_overtaken_by_readers() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let seen = layer.run(|| {
                let lock = Arc::new(RwLock::new(Vec::new()));
                let (early, writer, late) = (Arc::clone(&lock), Arc::clone(&lock), Arc::clone(&lock));
                let reads_early = move || {
                    let guard = early.read().unwrap();
                    (0..5).for_each(|_| yield_now().wait());
                    assert!(early.try_read().is_err(), "a writer waits");
                    guard.len()
                };
                let others = move || join(move || writer.write().unwrap().push(7), move || late.read().unwrap().len());
                let (early, ((), late)) = join(reads_early, others);
                (early, late)
            });
            assert_eq!(seen.await, (0, 1));
        }
    });
}

/// It would be for ever if the one that waits were not let in.
#[test]
fn a_loop_that_asks_again_and_again_lets_others_run() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let done = Arc::new(Mutex::new(false));
            let set = Arc::clone(&done);
            let asks = layer.run(move || while !*done.lock().unwrap() {});
            let sets = layer.run(move || *set.lock().unwrap() = true);
            tokio::join!(asks, sets);
        }
    });
}

/// A guard may go to another thread, which std's may not.
#[test]
fn a_guard_goes_along() {
    on_each_runtime(|| async {
        static STOCK: Mutex<u32> = Mutex::new(0);
        let before = *STOCK.lock().unwrap();
        let layer = FiberLayer::builder().placement(Placement::SharedPool).build().unwrap();
        layer
            .run(|| {
                let mut guard = STOCK.lock().unwrap();
                offload(move || *guard += 1);
            })
            .await;
        assert_eq!(*STOCK.lock().unwrap(), before + 1);
    });
}
