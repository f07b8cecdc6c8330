//! Shields in fibers inside fibers, and what the fiber around them does when it is cut. What may end the process is a
//! process of its own.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::{sleep, timeout},
};
use tower_fiber::{Cancelled, OnDrop, WaitExt as _, join, join_all, race, run_local, shield, yield_now};

use crate::support::{Drops, both_on_drop, on_each_runtime, poll_once, until};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn nap(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).wait();
}

/// A section of two steps.
fn two_steps(steps: &AtomicUsize) {
    shield(|| {
        steps.fetch_add(1, Ordering::Relaxed);
        nap(100);
        steps.fetch_add(1, Ordering::Relaxed);
    });
}

/// How functions are run side by side.
const SIDE_BY_SIDE: [fn(Arc<AtomicUsize>, u64); 4] = [
    |steps, other| _ = join(move || two_steps(&steps), move || nap(other)),
    |steps, other| {
        let functions: [Box<dyn FnOnce()>; 2] = [Box::new(move || two_steps(&steps)), Box::new(move || nap(other))];
        join_all(functions);
    },
    |steps, other| {
        let fibers = [run_local(move || two_steps(&steps)), run_local(move || nap(other))];
        let mut fibers: FuturesUnordered<_> = fibers.into_iter().collect();
        async move { while fibers.next().await.is_some() {} }.wait();
    },
    |steps, other| {
        // Polled once, and then never again by what the fiber waits for.
        let mut forgotten = Box::pin(run_local(move || two_steps(&steps)));
        assert!(forgotten.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let both = async {
            sleep(Duration::from_millis(other)).await;
            forgotten.await;
        };
        both.wait();
    },
];

#[test]
fn shield_in_join() {
    crate::child::passes("nested_shield::shield_in_join", || {
        for (n, side_by_side) in SIDE_BY_SIDE.into_iter().enumerate() {
            for other in [0, 10, 80] {
                println!("{n} {other}");
                runtime().block_on(async {
                    for layer in both_on_drop(OnDrop::Unwind) {
                        let steps = Arc::new(AtomicUsize::new(0));
                        let own = Arc::clone(&steps);
                        let mut call = Box::pin(layer.run(move || side_by_side(own, other)));
                        assert!(poll_once(&mut call).await.is_none());
                        until(|| steps.load(Ordering::Relaxed) == 1).await;
                        sleep(Duration::from_millis(50)).await;
                        drop(call);
                        layer.handle().drained().await;
                        let counters = layer.handle().counters();
                        assert_eq!(steps.load(Ordering::Relaxed), 2, "the section ends");
                        assert_eq!((counters.leaked, counters.live), (0, 0), "{counters:?}");
                    }
                });
            }
        }
    });
}

#[test]
fn shield_in_join_after_cancel_all() {
    runtime().block_on(async {
        for layer in both_on_drop(OnDrop::Unwind) {
            let steps = Arc::new(AtomicUsize::new(0));
            let own = Arc::clone(&steps);
            let mut call = Box::pin(layer.run(move || SIDE_BY_SIDE[0](own, 1000)));
            assert!(poll_once(&mut call).await.is_none());
            until(|| steps.load(Ordering::Relaxed) == 1).await;
            layer.handle().cancel_all();
            let ended = catch_unwind(AssertUnwindSafe(|| call));
            let payload = tokio::spawn(ended.unwrap()).await.unwrap_err().into_panic();
            assert!(payload.is::<Cancelled>());
            assert_eq!(steps.load(Ordering::Relaxed), 2);
        }
    });
}

#[test]
fn shield_in_join_aborts() {
    crate::child::passes("nested_shield::shield_in_join_aborts", || {
        on_each_runtime(|| async {
            for layer in both_on_drop(OnDrop::Unwind) {
                let (paid, recorded) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
                let (of_call, records) = (Arc::clone(&paid), Arc::clone(&recorded));
                let section = move || {
                    shield(|| {
                        of_call.notified().wait();
                        yield_now();
                        records.fetch_add(1, Ordering::Relaxed);
                    });
                };
                let mut call = Box::pin(layer.run(move || join(section, || ())));
                assert!(poll_once(&mut call).await.is_none());
                until(|| layer.handle().live() == 2).await;
                drop(call);
                paid.notify_one();
                layer.handle().drained().await;
                assert_eq!(recorded.load(Ordering::Relaxed), 1);
                assert_eq!(layer.handle().counters().leaked, 0);
            }
        });
    });
}

#[test]
fn local_fiber_in_shield_aborts() {
    crate::child::passes("nested_shield::local_fiber_in_shield_aborts", || {
        let caught = catch_unwind(|| {
            let ready = Arc::new(Notify::new());
            let notified = Arc::clone(&ready);
            let mut fiber = pin!(run_local(move || {
                shield(|| {
                    notified.notified().wait();
                    pending::<()>().wait();
                });
            }));
            assert!(fiber.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            ready.notify_one();
            panic!("owner");
        });
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"owner"));
        assert!(!std::thread::panicking());
        // The thread serves on.
        let mut next = pin!(run_local(|| 5));
        assert_eq!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(5));
    });
}

#[test]
fn a_call_below_a_poller_that_panics_waits_as_ever() {
    crate::child::passes("nested_shield::a_call_below_a_poller_that_panics_waits_as_ever", || {
        struct Polls<F: FnMut()>(F);
        impl<F: FnMut()> Drop for Polls<F> {
            fn drop(&mut self) {
                (self.0)();
            }
        }
        let mut fiber = Box::pin(run_local(|| {
            yield_now();
            yield_now();
            7
        }));
        let mut polled = Vec::new();
        let poll = || polled.push(fiber.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut poll = poll;
            let _polls = Polls(|| (0..3).for_each(|_| poll()));
            panic!("owner");
        }));
        assert!(caught.is_err());
        assert_eq!(polled, [Poll::Pending, Poll::Pending, Poll::Ready(7)]);
    });
}

/// Panics when it is dropped, unless the thread panics.
struct Bad(Drops);

impl Drop for Bad {
    fn drop(&mut self) {
        drop(self.0.held());
        panic!("in a payload's drop");
    }
}

#[test]
fn join_two_payloads() {
    crate::child::passes("nested_shield::join_two_payloads", || {
        let functions: [fn(Drops); 4] = [
            |drops| _ = join(|| panic!("a"), || panic_any(Bad(drops))),
            |drops| drop(join(|| panic!("a"), || Bad(drops))),
            |drops| {
                let each = |n| {
                    let drops = drops.clone();
                    move || if n == 0 { panic!("a") } else { panic_any(Bad(drops)) }
                };
                drop(join_all((0..3).map(each)));
            },
            |drops| {
                let each = |n| {
                    let drops = drops.clone();
                    move || match n {
                        2 => panic!("a"),
                        _ => {
                            yield_now();
                            panic_any(Bad(drops))
                        }
                    }
                };
                race((0..3).map(each));
            },
        ];
        for (function, dropped) in functions.into_iter().zip([1, 1, 2, 2]) {
            runtime().block_on(async {
                for layer in both_on_drop(OnDrop::Finish) {
                    let drops = Drops::default();
                    let own = drops.clone();
                    let call = layer.run(move || function(own));
                    let payload = tokio::spawn(call).await.unwrap_err().into_panic();
                    assert_eq!(payload.downcast_ref(), Some(&"a"), "the first panic");
                    layer.handle().drained().await;
                    assert_eq!((layer.handle().live(), drops.count()), (0, dropped));
                }
            });
        }
    });
}

/// A future whose destructor panics, as that of diesel-async's SQLite wrapper does on a current-thread runtime.
struct PanicsWhenCut(Arc<Mutex<Vec<bool>>>);

impl Future for PanicsWhenCut {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for PanicsWhenCut {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(std::thread::panicking());
        panic!("can call blocking only when running on the multi-threaded runtime");
    }
}

#[test]
fn a_future_that_is_cut_is_dropped_before_the_unwinding() {
    crate::child::passes("nested_shield::a_future_that_is_cut_is_dropped_before_the_unwinding", || {
        runtime().block_on(async {
            for layer in both_on_drop(OnDrop::Unwind) {
                let (cut, drops) = (Arc::new(Mutex::new(Vec::new())), Drops::default());
                let (own, local) = (Arc::clone(&cut), drops.held());
                let mut call = Box::pin(layer.run(move || {
                    let _local = local;
                    PanicsWhenCut(own).wait();
                }));
                assert!(poll_once(&mut call).await.is_none());
                until(|| layer.handle().live() == 1).await;
                drop(call);
                layer.handle().drained().await;
                assert_eq!(*cut.lock().unwrap(), [false]);
                assert_eq!((drops.count(), layer.handle().counters().cancelled), (1, 1));
            }
            let cut = Arc::new(Mutex::new(Vec::new()));
            let own = Arc::clone(&cut);
            let call = run_local(move || PanicsWhenCut(own).wait());
            assert!(timeout(Duration::from_millis(50), call).await.is_err());
            assert_eq!(*cut.lock().unwrap(), [false]);
        });
    });
}
