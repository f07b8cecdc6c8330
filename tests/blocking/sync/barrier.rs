//! Barriers of fibers, and of fibers and threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use futures_util::future::join_all;
use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, no_wait, run_in_fiber, sync::Barrier};

use crate::support::{both_with_one_worker, on_each_runtime, poll_once, text_of_panic};

#[test]
fn all_go_on_together_and_one_leads() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let shared = Arc::new((Barrier::new(5), AtomicU32::new(0)));
            let calls = (0..5).map(|call| {
                let shared = Arc::clone(&shared);
                layer.run(move || {
                    let (barrier, arrived) = &*shared;
                    let mut led = 0;
                    for round in 1..=10 {
                        // Some come late, and some are back before others have left.
                        (0..call).for_each(|_| yield_now().wait());
                        arrived.fetch_add(1, Ordering::SeqCst);
                        led += u32::from(barrier.wait().is_leader());
                        assert!(arrived.load(Ordering::SeqCst) >= 5 * round);
                    }
                    led
                })
            });
            assert_eq!(join_all(calls).await.iter().sum::<u32>(), 10);
        }
    });
}

#[test]
fn of_threads_and_fibers() {
    on_each_runtime(|| async {
        let barrier = Arc::new(Barrier::new(3));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || (0..100).filter(|_| barrier.wait().is_leader()).count())
            })
            .collect();
        let led = run_in_fiber(move || (0..100).filter(|_| barrier.wait().is_leader()).count()).await;
        // The fiber has been let go a hundred times, so the threads end.
        let others: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(led + others, 100);
    });
}

/// What has left does not count.
#[test]
fn one_that_is_cut_leaves_the_line() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder().on_drop(OnDrop::Unwind)) {
            let barrier = Arc::new(Barrier::new(2));
            let wait = |barrier: &Arc<Barrier>| {
                let barrier = Arc::clone(barrier);
                Box::pin(layer.run(move || barrier.wait().is_leader()))
            };
            let mut cut = wait(&barrier);
            assert!(poll_once(&mut cut).await.is_none());
            while super::waiting(&layer) == 0 {
                tokio::task::yield_now().await;
            }
            drop(cut);
            layer.handle().drained().await;
            let refused = Arc::clone(&barrier);
            let text = layer.run(move || text_of_panic(|| no_wait(|| _ = refused.wait()))).await;
            assert!(text.contains("no_wait"), "{text}");
            let mut first = wait(&barrier);
            assert!(poll_once(&mut first).await.is_none());
            while super::waiting(&layer) == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(tokio::join!(first, wait(&barrier)), (false, true));
        }
    });
}

/// A barrier that always opens at once lets others run now and then, as a lock that is free does.
#[test]
fn one_alone_lets_others_run() {
    let barrier = Barrier::new(1);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let is_seen = Arc::new(AtomicU32::new(0));
        let sees = Arc::clone(&is_seen);
        let waits = run_in_fiber(move || {
            while is_seen.load(Ordering::Relaxed) == 0 {
                assert!(barrier.wait().is_leader());
            }
        });
        tokio::join!(waits, async { sees.store(1, Ordering::Relaxed) });
    });
}
