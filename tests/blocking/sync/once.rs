//! Initialisers that wait, while others want what they make.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use futures_util::future::join_all;
use tokio::task::yield_now;
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _,
    sync::{LazyLock, Once, OnceLock},
};

use crate::support::{both_with_one_worker, on_each_runtime, poll_once, until};

#[derive(Default)]
struct Shared {
    runs: AtomicU32,
    once: Once,
    cell: OnceLock<u32>,
}

impl Shared {
    fn make(&self) -> u32 {
        (0..10).for_each(|_| yield_now().wait());
        self.runs.fetch_add(1, Ordering::SeqCst)
    }
}

#[test]
fn it_runs_once() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let shared = Arc::new(Shared::default());
            let lazy = {
                let shared = Arc::clone(&shared);
                Arc::new(LazyLock::new(move || shared.make()))
            };
            let calls = (0..10).map(|_| {
                let (shared, lazy) = (Arc::clone(&shared), Arc::clone(&lazy));
                layer.run(move || {
                    shared.once.call_once(|| _ = shared.make());
                    let cell = *shared.cell.get_or_init(|| shared.make());
                    (cell, **lazy)
                })
            });
            assert_eq!(join_all(calls).await, [(1, 2); 10]);
            // Elsewhere it is only looked at.
            thread::spawn(move || assert_eq!((shared.cell.get(), **lazy), (Some(&1), 2))).join().unwrap();
        }
    });
}

#[test]
fn it_is_left_to_the_next_one_by_a_cancel() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder().on_drop(OnDrop::Unwind)) {
            let shared = Arc::new(Shared::default());
            let calls: [fn(&Shared); 2] = [
                |shared| shared.once.call_once(|| pending().wait()),
                |shared| _ = shared.cell.get_or_init(|| pending().wait()),
            ];
            for cut in calls {
                let inside = Arc::clone(&shared);
                let mut call = Box::pin(layer.run(move || cut(&inside)));
                assert!(poll_once(&mut call).await.is_none());
                until(|| layer.handle().live() == 1).await;
                drop(call);
                layer.handle().drained().await;
            }
            let next = Arc::clone(&shared);
            let next = layer.run(move || {
                next.once.call_once(|| _ = next.make());
                *next.cell.get_or_init(|| next.make())
            });
            assert_eq!((next.await, shared.once.is_completed()), (1, true));
        }
    });
}

#[test]
fn a_lazy_one_is_not_cut() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder().on_drop(OnDrop::Unwind)) {
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            let lazy = Arc::new(LazyLock::new(move || gone.wait().is_ok()));
            let inside = Arc::clone(&lazy);
            let mut call = Box::pin(layer.run(move || {
                assert!(**inside);
                yield_now().wait();
                unreachable!("the cancel comes after it");
            }));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().live() == 1).await;
            drop(call);
            go.send(()).unwrap();
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().cancelled, 1);
            assert!(layer.run(move || **lazy).await);
        }
    });
}
