//! Code of others between two steps of a fiber: wakers, `into_future`, destructors. It may panic, wait, and call back.
//! What may end the process or hang is a process of its own.

use std::{
    convert::Infallible,
    future::{Pending, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::sleep,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_fiber::{
    FiberLayer, Hook, OnDrop, UntilCallerGone, WaitExt as _, await_in_fiber, error::TryAwaitError, in_fiber, join,
    join_all, run_local, shield, sync_fn, try_await_in_fiber, until_caller_gone, yield_now,
};

use crate::support::{Drops, both, in_used_task, on_each_runtime, poll_once, until};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// A waker that does something.
struct Does<F: Fn() + Send + Sync + 'static>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        (self.0)();
    }
}

fn waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(f)))
}

fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn waker_waits_in_yield() {
    crate::child::passes("foreign_code::waker_waits_in_yield", || {
        let refused = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&refused);
        let mut fiber = pin!(run_local(|| (0..256).for_each(|_| await_in_fiber(ready(())))));
        {
            let waker = waker(move || {
                if in_fiber() {
                    let error = try_await_in_fiber(pending::<()>()).unwrap_err();
                    assert!(matches!(error, TryAwaitError::InCallback(_)), "{error:?}");
                    assert!(error.to_string().contains("a waker"), "{error}");
                    counts.fetch_add(1, Ordering::Relaxed);
                    // Refused by a panic, which is the waker's own.
                    yield_now();
                }
            });
            // It cannot be woken, so it does not yield.
            assert!(poll_with(fiber.as_mut(), &waker).is_ready());
        }
        assert_eq!(refused.load(Ordering::Relaxed), 2, "each 128th wait in a row is to yield");
    });
}

#[test]
fn waker_panics_at_resume() {
    crate::child::passes("foreign_code::waker_panics_at_resume", || {
        runtime().block_on(waker_panics_at_resume_of_a_root())
    });
}

async fn waker_panics_at_resume_of_a_root() {
    let (outer, inner) = (FiberLayer::new(), FiberLayer::builder().max_fibers(1).build().unwrap());
    let slot: Arc<Mutex<Option<UntilCallerGone>>> = Arc::default();
    let asked = Arc::clone(&slot);
    let (open, gate) = oneshot::channel::<()>();
    let gate = Arc::new(Mutex::new(Some(gate)));
    let mut service = inner.layer(service_fn(move |(): ()| {
        let (mut gate, asked) = (gate.lock().unwrap().take().unwrap(), Arc::clone(&asked));
        poll_fn(move |cx| {
            asked.lock().unwrap().get_or_insert_with(until_caller_gone);
            Pin::new(&mut gate).poll(cx).map(|_| Ok::<_, Infallible>(()))
        })
    }));
    let mut call = Box::pin(outer.run(move || service.call(()).wait()));
    assert!(poll_once(&mut call).await.is_none());
    let mut gone = slot.lock().unwrap().take().unwrap();
    let boom = waker(|| panic!("waker"));
    assert!(poll_with(Pin::new(&mut gone), &boom).is_pending());
    drop(call);
    tokio::task::yield_now().await;
    open.send(()).unwrap();
    outer.handle().drained().await;
    for layer in [&outer, &inner] {
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 0, 0));
    }
    assert_eq!(inner.run(|| 1).await, 1, "its permit is back");
}

#[test]
fn wakers_that_panic_lose_no_cancel() {
    crate::child::passes("foreign_code::wakers_that_panic_lose_no_cancel", || {
        runtime().block_on(async {
            let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
            let code = || try_await_in_fiber(pending::<()>()).is_err();
            let mut calls: Vec<_> = (0..5).map(|_| Box::pin(layer.run(code))).collect();
            let boom = waker(|| panic!("waker"));
            assert!(poll_with(calls[0].as_mut(), &boom).is_pending());
            let mut others: Vec<_> = calls.drain(1..).map(task::spawn).collect();
            for call in &mut others {
                assert_pending!(call.poll());
            }
            layer.handle().cancel_all();
            for call in &mut others {
                assert!(call.is_woken());
                assert!(assert_ready!(call.poll()));
            }
            assert!(poll_with(calls[0].as_mut(), Waker::noop()).is_ready());
        });
    });
}

/// As a service of some framework: it wakes a fiber from its destructor.
struct WakesWhenDropped(Arc<Mutex<Option<Waker>>>, bool);

impl Wake for WakesWhenDropped {
    fn wake(self: Arc<Self>) {}
}

impl Drop for WakesWhenDropped {
    fn drop(&mut self) {
        if self.1 {
            let child = self.0.lock().unwrap().clone();
            child.inspect(Waker::wake_by_ref);
        }
    }
}

#[test]
fn child_wake_deadlock() {
    crate::child::passes("foreign_code::child_wake_deadlock", || {
        runtime().block_on(async {
            let (layer, child) = (FiberLayer::new(), Arc::new(Mutex::new(None::<Waker>)));
            let of_child = Arc::clone(&child);
            let function = move || {
                let mut polls = 0;
                await_in_fiber(poll_fn(|cx| {
                    polls += 1;
                    *of_child.lock().unwrap() = Some(cx.waker().clone());
                    if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
                }));
            };
            let mut call = pin!(layer.run(move || drop(join_all([function]))));
            let first = Waker::from(Arc::new(WakesWhenDropped(Arc::clone(&child), true)));
            assert!(poll_with(call.as_mut(), &first).is_pending());
            drop(first);
            // Takes the waker out of the roll, so that the child has the last one.
            layer.handle().cancel_all();
            let second = Waker::from(Arc::new(WakesWhenDropped(Arc::clone(&child), false)));
            while poll_with(call.as_mut(), &second).is_pending() {
                child.lock().unwrap().clone().unwrap().wake();
            }
            assert_eq!(layer.handle().live(), 0);
        });
    });
}

#[test]
fn begun_twice() {
    crate::child::passes("foreign_code::begun_twice", || {
        let (layer, inner) = (FiberLayer::new(), FiberLayer::new());
        let (handle, layer_of_task) = (inner.handle(), inner.clone());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            layer.run(|| ()).await;
            let task = tokio::spawn(async move {
                // In a task that has made calls.
                for _ in 0..3 {
                    layer_of_task.run(yield_now).await;
                }
                let canceller = handle.clone();
                let mut call = Box::pin(layer_of_task.run(move || {
                    canceller.cancel_all();
                    pending::<()>().wait();
                }));
                let boom = waker(|| panic!("waker"));
                for _ in 0..2 {
                    // Its own panic does not reach the poll.
                    assert!(poll_with(call.as_mut(), &boom).is_pending());
                }
                assert_eq!(handle.live(), 1);
                drop(call);
                tokio::task::yield_now().await;
            });
            task.await.unwrap();
        });
        drop(runtime);
        let counters = inner.handle().counters();
        assert_eq!((counters.live, counters.leaked), (0, 1), "{counters:?}");
    });
}

/// `into_future` waits, and what it gives is never ready.
struct Slow<F: FnOnce()>(F);

impl<F: FnOnce()> IntoFuture for Slow<F> {
    type Output = ();
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Pending<()> {
        (self.0)();
        pending()
    }
}

#[test]
fn cancel_during_into_future() {
    let naps = || sleep(Duration::from_millis(100)).wait();
    for policy in [OnDrop::Cancel, OnDrop::Unwind] {
        for layer in both(FiberLayer::builder().on_drop(policy)) {
            runtime().block_on(async {
                let tried = Arc::new(AtomicUsize::new(0));
                let counts = Arc::clone(&tried);
                let call = layer.run(move || match policy {
                    OnDrop::Cancel => {
                        assert!(matches!(try_await_in_fiber(Slow(naps)), Err(TryAwaitError::Cancelled(None))));
                        counts.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => Slow(|| shield(naps)).wait(),
                });
                let mut call = Box::pin(call);
                assert!(poll_once(&mut call).await.is_none());
                until(|| layer.handle().live() == 1).await;
                drop(call);
                layer.handle().drained().await;
                let counters = layer.handle().counters();
                assert_eq!((counters.cancelled, counters.leaked, counters.live), (1, 0, 0), "{policy:?}");
                assert_eq!(tried.load(Ordering::Relaxed), usize::from(policy == OnDrop::Cancel));
            });
        }
    }
}

/// Panics when it is dropped, unless the thread panics.
struct PanicsWhenDropped(Drops);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        drop(self.0.held());
        if !std::thread::panicking() {
            panic!("in drop");
        }
    }
}

#[test]
fn permit_lost_by_panicking_drop() {
    on_each_runtime(|| async {
        for layer in both(FiberLayer::builder().max_fibers(1)) {
            let drops = Drops::default();
            let mut service = layer.layer(sync_fn(|_: PanicsWhenDropped| Ok::<_, Infallible>(())));
            let response = service.ready().await.unwrap().call(PanicsWhenDropped(drops.clone()));
            assert!(catch_unwind(AssertUnwindSafe(|| drop(response))).is_err(), "as without the layer");
            assert_eq!(drops.count(), 1);
            assert_eq!(layer.run(|| 5).await, 5, "the permit is back");
            a_root_in_line_panics_when_dropped(&layer, &drops).await;
            assert_eq!(layer.run(|| 6).await, 6, "the permit is back");
            until(|| layer.handle().counters() == Default::default()).await;
        }
    });
}

async fn a_root_in_line_panics_when_dropped(layer: &FiberLayer, drops: &Drops) {
    let (open, gate) = oneshot::channel::<()>();
    let (polled, was_polled) = oneshot::channel();
    let held = Mutex::new(Some((gate, Some(polled), PanicsWhenDropped(drops.clone()))));
    let held = Arc::new(held);
    let service = service_fn(move |(): ()| {
        let (mut gate, mut polled, local) = held.lock().unwrap().take().unwrap();
        poll_fn(move |cx| {
            let _local = &local;
            polled.take().map(|polled| polled.send(()));
            Pin::new(&mut gate).poll(cx).map(|_| Ok::<_, Infallible>(()))
        })
    });
    let mut service = layer.layer(service);
    let mut response = Box::pin(service.ready().await.unwrap().call(()));
    assert!(poll_once(&mut response).await.is_none());
    was_polled.await.unwrap();
    let (begin, begun) = oneshot::channel();
    let (end, ended) = oneshot::channel::<()>();
    let mut holds = Box::pin(layer.run(move || {
        begin.send(()).unwrap();
        ended.wait().unwrap();
    }));
    assert!(poll_once(&mut holds).await.is_none());
    // Not `live`, which is 1 while the root is polled too.
    begun.await.unwrap();
    _ = open.send(());
    assert!(poll_once(&mut response).await.is_none(), "in line");
    _ = catch_unwind(AssertUnwindSafe(|| drop(response)));
    end.send(()).unwrap();
    holds.await;
}

#[test]
fn a_waker_that_looks_at_the_layer_and_cancels_it() {
    // While it is woken by just that.
    in_used_task(async {
        let layer = FiberLayer::new();
        let handle = layer.handle();
        let curious = waker(move || {
            _ = handle.dump();
            _ = handle.counters();
            handle.cancel_all();
        });
        let mut call = Box::pin(layer.run(|| yield_now()));
        assert!(poll_with(call.as_mut(), &curious).is_pending());
        layer.handle().cancel_all();
        call.await;
        assert_eq!(layer.handle().live(), 0);
    });
}

struct PanicsAtSuspend;

impl Hook for PanicsAtSuspend {
    type State = ();

    fn on_call(&self) {}

    fn on_resume(&self, (): &mut ()) {}

    fn on_suspend(&self, (): &mut ()) {
        resume_unwind(Box::new("suspended"));
    }
}

struct Thrown;

impl Drop for Thrown {
    fn drop(&mut self) {
        resume_unwind(Box::new("dropped"));
    }
}

/// What one child has thrown is dropped while the thread panics for another.
#[test]
fn payload_of_a_child_panics_when_the_hook_of_another_has() {
    crate::child::passes("foreign_code::payload_of_a_child_panics_when_the_hook_of_another_has", || {
        runtime().block_on(async {
            let layer = FiberLayer::new().hook(PanicsAtSuspend);
            let throws = || -> () { resume_unwind(Box::new(Thrown)) };
            let mut call = Box::pin(layer.run(move || join(throws, yield_now)));
            let polled = catch_unwind(AssertUnwindSafe(|| poll_with(call.as_mut(), Waker::noop())));
            assert_eq!(polled.unwrap_err().downcast_ref(), Some(&"suspended"));
        });
    });
}
