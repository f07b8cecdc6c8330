//! Runtimes, pools and processes that end while fibers wait. Each case is a process of its own, with a time limit.

use std::{
    future::pending,
    mem::ManuallyDrop,
    process, thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{oneshot, watch},
    time::sleep,
};
use tower_fiber::{Cancelled, FiberLayer, FiberPool, InFiber, OnDrop, Placement, WaitExt as _, try_await_in_fiber};

use crate::{
    child,
    support::{Drops, poll_once, until},
};

const POLICIES: [OnDrop; 3] = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind];
const CALLS: u64 = 1000;

fn layer(policy: OnDrop) -> FiberLayer {
    FiberLayer::builder().stack_size(128 * 1024).on_drop(policy).build().unwrap()
}

fn shutdowns() -> [fn(Runtime); 3] {
    [drop, Runtime::shutdown_background, |runtime| runtime.shutdown_timeout(Duration::from_secs(10))]
}

/// Spawns a thousand calls and waits until all have begun to wait.
fn spawn_all(runtime: &Runtime, layer: &FiberLayer, call: impl Fn() -> InFiber<()>) {
    for _ in 0..CALLS {
        runtime.spawn(call());
    }
    runtime.block_on(async { until(|| layer.handle().live() == CALLS).await });
}

/// A runtime of its own, to look on from outside.
fn outside(future: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), future).await.expect("it hangs") });
}

#[test]
fn a_runtime_is_shut_down_with_a_thousand_suspended_in_place() {
    child::passes("shutdown::a_runtime_is_shut_down_with_a_thousand_suspended_in_place", || {
        for policy in POLICIES {
            for shut_down in shutdowns() {
                let (layer, drops) = (layer(policy), Drops::default());
                let runtime = Builder::new_current_thread().build().unwrap();
                spawn_all(&runtime, &layer, || {
                    let held = drops.held();
                    layer.run(move || {
                        let _held = held;
                        pending::<()>().wait();
                    })
                });
                let begun = Instant::now();
                shut_down(runtime);
                assert!(begun.elapsed() < Duration::from_secs(20));
                let counters = layer.handle().counters();
                assert_eq!((counters.live, counters.leaked, drops.count()), (0, CALLS, 0));
                outside(async { layer.handle().drained().await });
            }
        }
    });
}

#[test]
fn a_runtime_is_shut_down_after_a_thousand_were_handed_over() {
    child::passes("shutdown::a_runtime_is_shut_down_after_a_thousand_were_handed_over", || {
        for shut_down in shutdowns() {
            let layer = layer(OnDrop::Finish);
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                for _ in 0..CALLS {
                    let mut call = Box::pin(layer.run(|| pending::<()>().wait()));
                    assert!(poll_once(&mut call).await.is_none());
                    drop(call);
                }
                until(|| layer.handle().counters().handed_over == CALLS).await;
            });
            shut_down(runtime);
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.leaked), (0, CALLS));
        }
    });
}

#[test]
fn a_runtime_is_shut_down_with_a_thousand_suspended_on_the_pool() {
    child::passes("shutdown::a_runtime_is_shut_down_with_a_thousand_suspended_on_the_pool", || {
        for policy in POLICIES {
            for shut_down in shutdowns() {
                let (layer, drops) = (layer(policy), Drops::default());
                let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                spawn_all(&runtime, &layer, || {
                    let held = drops.held();
                    layer.run(move || {
                        let _held = held;
                        assert!(try_await_in_fiber(pending::<()>()).is_err());
                        if policy == OnDrop::Unwind {
                            pending::<()>().wait();
                        }
                    })
                });
                shut_down(runtime);
                outside(async { layer.handle().drained().await });
                let counters = layer.handle().counters();
                assert_eq!((counters.live, counters.leaked, counters.cancelled), (0, 0, CALLS));
                assert_eq!(drops.count() as u64, CALLS);
            }
        }
    });
}

#[test]
fn what_does_not_wait_for_the_dead_runtime_finishes_on_the_pool() {
    child::passes("shutdown::what_does_not_wait_for_the_dead_runtime_finishes_on_the_pool", || {
        let (layer, drops) = (layer(OnDrop::Finish), Drops::default());
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (open, gate) = watch::channel(false);
        spawn_all(&runtime, &layer, || {
            let (mut gate, effect) = (gate.clone(), drops.held());
            layer.run(move || {
                gate.wait_for(|open| *open).wait().unwrap();
                drop(effect);
            })
        });
        runtime.shutdown_background();
        assert_eq!(drops.count(), 0);
        open.send(true).unwrap();
        outside(async { layer.handle().drained().await });
        assert_eq!(drops.count() as u64, CALLS);
        assert_eq!(layer.handle().counters().leaked, 0);
    });
}

#[test]
fn a_fiber_whose_caller_left_long_ago_hears_that_the_runtime_is_dead() {
    child::passes("shutdown::a_fiber_whose_caller_left_long_ago_hears_that_the_runtime_is_dead", || {
        let layer = layer(OnDrop::Finish);
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (begun, begins) = oneshot::channel();
        let (left, leaves) = oneshot::channel();
        let call = runtime.spawn(layer.run(move || {
            begun.send(()).unwrap();
            tower_fiber::until_caller_gone().wait();
            left.send(()).unwrap();
            assert!(try_await_in_fiber(pending::<()>()).is_err());
        }));
        runtime.block_on(begins).unwrap();
        call.abort();
        runtime.block_on(leaves).unwrap();
        assert_eq!(layer.handle().live(), 1);
        drop(runtime);
        outside(async { layer.handle().drained().await });
        assert_eq!(layer.handle().counters().cancelled, 1);
    });
}

#[test]
fn waits_for_the_dead_runtimes_timers_panic_and_end() {
    child::passes("shutdown::waits_for_the_dead_runtimes_timers_panic_and_end", || {
        // tokio panics in a timer's poll when its runtime is gone; a thousand messages would say nothing more.
        std::panic::set_hook(Box::new(|_| ()));
        let layer = layer(OnDrop::Finish);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        spawn_all(&runtime, &layer, || layer.run(|| sleep(Duration::from_secs(3600)).wait()));
        drop(runtime);
        outside(async { layer.handle().drained().await });
        assert_eq!(layer.handle().counters().leaked, 0);
        _ = std::panic::take_hook();
    });
}

#[test]
fn the_process_exits_mid_flight() {
    let ended = child::run("shutdown::the_process_exits_mid_flight", || {
        leave_fibers_behind();
        process::exit(7);
    });
    if let Some(ended) = ended {
        assert_eq!(ended.0.status.code(), Some(7), "{ended:?}");
        assert!(ended.0.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn main_returns_mid_flight() {
    child::passes("shutdown::main_returns_mid_flight", leave_fibers_behind);
}

/// In place, on the process-wide pool and on one of its own, whose handle goes.
fn leave_fibers_behind() {
    for policy in POLICIES {
        let pool = FiberPool::builder().worker_threads(1).build().unwrap();
        let builder = FiberLayer::builder().on_drop(policy);
        let layers = [builder.clone(), builder.clone().placement(Placement::SharedPool), builder.placement(pool)]
            .map(|b| b.build().unwrap());
        let runtime = Builder::new_current_thread().build().unwrap();
        for layer in &layers {
            for _ in 0..10 {
                runtime.spawn(layer.run(|| pending::<()>().wait()));
            }
        }
        runtime.block_on(async { until(|| layers.iter().all(|layer| layer.handle().live() == 10)).await });
        _ = ManuallyDrop::new(runtime);
    }
}

#[test]
fn a_caller_on_another_runtime_gets_the_outcome_of_a_cancelled_fiber() {
    child::passes("shutdown::a_caller_on_another_runtime_gets_the_outcome_of_a_cancelled_fiber", || {
        // The call is first polled under a runtime that ends, and is then awaited under another one.
        let layer = layer(OnDrop::Unwind);
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let mut call = Box::pin(layer.run(|| pending::<()>().wait()));
        runtime.block_on(async { assert!(poll_once(&mut call).await.is_none()) });
        drop(runtime);
        let handle = layer.handle();
        let cancels = thread::spawn(move || {
            outside(async {
                until(|| handle.live() == 1).await;
                handle.cancel_all()
            })
        });
        outside(async move {
            let payload = tokio::spawn(call).await.unwrap_err().into_panic();
            assert!(payload.is::<Cancelled>());
        });
        cancels.join().unwrap();
    });
}
