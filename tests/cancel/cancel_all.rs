//! Cancelled fibers: grace, what they hold, what they make of it.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};
use tower_fiber::{FiberLayer, OnDrop, Placement, WaitExt as _, caller_gone, try_await_in_fiber, until_caller_gone};

use crate::support::{Drops, both, in_each_task, poll_once, text_of_panic, until};

const CANCELLING: [OnDrop; 2] = [OnDrop::Cancel, OnDrop::Unwind];

fn layers(policy: OnDrop, grace: Duration) -> [FiberLayer; 2] {
    both(FiberLayer::builder().on_drop(policy).grace(grace))
}

/// Polls the call until its code says that it has begun.
async fn begun<R>(layer: &FiberLayer, code: impl FnOnce() -> R + Send + 'static) -> impl Future<Output = ()> {
    let (begun, begins) = oneshot::channel();
    let mut call = Box::pin(layer.run(move || {
        begun.send(()).unwrap();
        drop(code());
    }));
    assert!(poll_once(&mut call).await.is_none());
    begins.await.unwrap();
    call
}

#[test]
fn within_the_grace_it_finishes() {
    in_each_task(|| async {
        for policy in CANCELLING {
            for layer in layers(policy, Duration::from_secs(3600)) {
                let (effect, effects) = oneshot::channel();
                let (open, gate) = oneshot::channel();
                let call = begun(&layer, move || {
                    async { until_caller_gone().await }.wait();
                    effect.send((try_await_in_fiber(gate).unwrap(), caller_gone())).unwrap();
                });
                drop(call.await);
                tokio::task::yield_now().await;
                open.send("finished").unwrap();
                assert_eq!(effects.await, Ok((Ok("finished"), true)));
                layer.handle().drained().await;
                assert_eq!(layer.handle().counters().cancelled, 0);
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_it_is_cancelled() {
    for policy in CANCELLING {
        for layer in layers(policy, Duration::from_secs(10)) {
            let drops = Drops::default();
            let (effect, effects) = oneshot::channel();
            let held = drops.held();
            let call = begun(&layer, move || {
                let _held = held;
                effect.send(try_await_in_fiber(pending::<()>()).is_err()).unwrap();
                async { tokio::task::yield_now().await }.wait();
            });
            let call = call.await;
            let dropped = Instant::now();
            drop(call);
            assert_eq!(effects.await, Ok(true));
            let waited = dropped.elapsed();
            assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(11), "{waited:?}");
            layer.handle().drained().await;
            assert_eq!(drops.count(), 1);
            assert_eq!(layer.handle().counters().cancelled, 1);
            assert_eq!(layer.handle().counters().leaked, 0);
        }
    }
}

#[test]
fn a_grace_without_timers_says_what_to_do() {
    for layer in layers(OnDrop::Cancel, Duration::from_secs(1)) {
        let runtime = Builder::new_current_thread().build().unwrap();
        let text = text_of_panic(|| runtime.block_on(layer.run(|| ())));
        assert!(text.contains("enable_time") && text.contains("grace"), "{text}");
        assert_eq!(layer.handle().counters(), Default::default());
    }
}

#[test]
fn without_grace_a_call_that_waits_in_the_pools_queue_is_dropped_unrun() {
    in_each_task(|| async {
        for policy in CANCELLING {
            let pool = tower_fiber::FiberPool::builder().worker_threads(1).build().unwrap();
            let layer = FiberLayer::new().on_drop(policy).placement(pool);
            let (free, busy) = std::sync::mpsc::channel::<()>();
            let blocker = tokio::spawn(layer.run(move || busy.recv().unwrap()));
            until(|| layer.handle().live() == 1).await;
            let drops = Drops::default();
            let held = drops.held();
            let mut call = Box::pin(layer.run(move || {
                drop(held);
                unreachable!("nobody waits for it any more")
            }));
            assert!(poll_once(&mut call).await.is_none());
            drop(call);
            free.send(()).unwrap();
            blocker.await.unwrap();
            layer.handle().drained().await;
            assert_eq!(drops.count(), 1);
            assert_eq!(layer.handle().counters(), Default::default());
        }
    });
}

#[test]
fn an_unwound_lock_is_poisoned_and_a_cancelled_one_is_not() {
    in_each_task(|| async {
        for policy in CANCELLING {
            for layer in layers(policy, Duration::ZERO) {
                let lock = Arc::new(Mutex::new(0));
                let inside = Arc::clone(&lock);
                let (holds, held) = oneshot::channel();
                let call = begun(&layer, move || {
                    let _guard = inside.lock().unwrap();
                    holds.send(()).unwrap();
                    _ = try_await_in_fiber(pending::<()>());
                    async { tokio::task::yield_now().await }.wait();
                });
                let call = call.await;
                held.await.unwrap();
                drop(call);
                layer.handle().drained().await;
                assert_eq!(lock.is_poisoned(), policy == OnDrop::Unwind);
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_grace_ends_with_the_callers_runtime() {
    let layer = FiberLayer::builder()
        .on_drop(OnDrop::Unwind)
        .grace(Duration::from_secs(3600))
        .placement(Placement::SharedPool)
        .build()
        .unwrap();
    let drops = Drops::default();
    let (held, inside) = (drops.held(), layer.clone());
    let callers = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let call = begun(&inside, move || {
                let _held = held;
                pending::<()>().wait();
            });
            drop(call.await);
        });
    });
    callers.join().unwrap();
    layer.handle().drained().await;
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_cancelled_fiber_that_never_suspends_lets_others_run() {
    in_each_task(|| async {
        let waits: [fn(); 2] = [|| std::future::ready(()).wait(), || _ = try_await_in_fiber(std::future::ready(()))];
        for wait in waits {
            let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
            let done = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&done);
            let call = begun(&layer, move || {
                assert!(try_await_in_fiber(pending::<()>()).is_err());
                // As code that tries again after each error. It ends also if it is alone, so that the test does.
                let others_ran = (0..1_000_000).any(|_| {
                    wait();
                    seen.load(Ordering::Relaxed)
                });
                assert!(others_ran);
            });
            drop(call.await);
            until(|| layer.handle().counters().handed_over == 1).await;
            let began = layer.handle().live();
            done.store(true, Ordering::Relaxed);
            layer.handle().drained().await;
            assert_eq!(began, 1, "it was still at work");
        }
    });
}

/// A connection that goes back to its pool when it is dropped.
struct Connection(Arc<Mutex<Vec<u32>>>, u32);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

#[test]
fn permit_pool_connection_and_channel_sender_are_released_exactly_once() {
    in_each_task(|| async {
        for policy in CANCELLING {
            for layer in layers(policy, Duration::ZERO) {
                let (permits, connections) = (Arc::new(Semaphore::new(1)), Arc::new(Mutex::new(vec![7])));
                let (send, mut receive) = mpsc::channel::<()>(1);
                let (inside, pool) = (Arc::clone(&permits), Arc::clone(&connections));
                let (holds, held) = oneshot::channel();
                let call = begun(&layer, move || {
                    let _permit = inside.acquire_owned().wait().unwrap();
                    let id = pool.lock().unwrap().pop().unwrap();
                    let _connection = Connection(pool, id);
                    let _sender = send;
                    holds.send(()).unwrap();
                    if policy == OnDrop::Unwind {
                        pending::<()>().wait();
                    }
                    try_await_in_fiber(pending::<()>()).map_err(|error| error.to_string())
                });
                let call = call.await;
                held.await.unwrap();
                assert_eq!((permits.available_permits(), connections.lock().unwrap().len()), (0, 0));
                drop(call);
                assert_eq!(receive.recv().await, None, "the sender is gone");
                layer.handle().drained().await;
                assert_eq!((permits.available_permits(), &*connections.lock().unwrap()), (1, &vec![7]), "once");
                let counters = layer.handle().counters();
                assert_eq!((counters.cancelled, counters.leaked, counters.stacks_in_use), (1, 0, 0));
            }
        }
    });
}
