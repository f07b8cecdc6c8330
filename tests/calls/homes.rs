//! A fiber's home: what is dropped, polled or ended on other threads, or after the thread has gone.

use std::{
    future::{pending, poll_fn},
    mem::ManuallyDrop,
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    task::Poll,
    thread::{self, ThreadId},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::yield_now,
};
use tower_fiber::{FiberLayer, FiberPool, OnDrop, WaitExt as _, run_in_fiber, try_await_in_fiber};

use crate::support::{Drops, Held, both, poll_once, text_of_panic, until};

const POLICIES: [OnDrop; 3] = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind];

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Notes on which thread it is dropped.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<Option<ThreadId>>>);

struct Local(Place, #[expect(dead_code, reason = "it makes the value `!Send`")] Rc<()>);

impl Place {
    fn local(&self) -> Local {
        Local(self.clone(), Rc::default())
    }

    fn get(&self) -> Option<ThreadId> {
        *self.0.lock().unwrap()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = Some(thread::current().id());
    }
}

#[test]
fn a_current_thread_runtime_blocks_on_from_a_second_thread() {
    let (runtime, layer) = (current_thread(), FiberLayer::new().name("orders"));
    let (open, gate) = oneshot::channel::<u32>();
    let drops = Drops::default();
    let held = drops.held();
    let call = runtime.spawn(layer.run(move || {
        let _held = held;
        gate.wait().unwrap()
    }));
    runtime.block_on(yield_now());
    open.send(1).unwrap();
    let second = thread::Builder::new().name("second".to_owned());
    let (runtime, error) = second
        .spawn(move || (runtime.block_on(call).unwrap_err(), runtime))
        .unwrap()
        .join()
        .map(|(e, r)| (r, e))
        .unwrap();
    let text = *error.into_panic().downcast::<String>().unwrap();
    let home = thread::current().name().unwrap().to_owned();
    assert!(text.contains("`orders`") && text.contains("`second`") && text.contains(&home), "{text}");
    assert_eq!(drops.count(), 0, "it was not resumed, nor unwound");
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 1));
    drop(runtime);
}

#[test]
fn a_runtime_is_moved_and_dropped_elsewhere() {
    for policy in POLICIES {
        let layer = FiberLayer::new().on_drop(policy);
        let (runtime, place, inside) = (current_thread(), Place::default(), Place::default());
        let local = inside.clone();
        let (noted, held) = (place.clone(), Drops::default());
        let value = held.held();
        runtime.spawn(layer.run(move || {
            let (_local, _value) = (noted.local(), value);
            let _other = local.local();
            pending::<()>().wait();
        }));
        runtime.block_on(async { until(|| layer.handle().live() == 1).await });
        thread::spawn(move || drop(runtime)).join().unwrap();
        assert_eq!((place.get(), inside.get(), held.count()), (None, None, 0), "never dropped elsewhere");
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.leaked), (0, 1));
    }
}

#[test]
fn the_home_thread_has_exited() {
    for policy in POLICIES {
        let layer = FiberLayer::new().on_drop(policy);
        let (place, inside) = (Place::default(), layer.clone());
        let noted = place.clone();
        let call = thread::spawn(move || {
            let runtime = current_thread();
            let mut call = Box::pin(inside.run(move || {
                let _local = noted.local();
                pending::<()>().wait();
            }));
            runtime.block_on(async { assert!(poll_once(&mut call).await.is_none()) });
            call
        });
        let mut call = call.join().unwrap();
        let text = text_of_panic(|| current_thread().block_on(poll_once(&mut call)).is_none());
        assert!(text.contains("a thread that has ended"), "{text}");
        drop(call);
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.leaked, counters.stacks_in_use, place.get()), (0, 1, 1, None));
        // Its stack is still there; others are made and used.
        assert_eq!(current_thread().block_on(layer.run(|| async { 1 }.wait())), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_aborted_from_another_thread() {
    for policy in POLICIES {
        let layer = FiberLayer::new().on_drop(policy);
        let place = Place::default();
        let noted = place.clone();
        let (begun, begins) = oneshot::channel();
        let (open, gate) = oneshot::channel::<()>();
        let call = tokio::spawn(layer.run(move || {
            let _local = noted.local();
            begun.send(thread::current().id()).unwrap();
            _ = try_await_in_fiber(gate);
            yield_now().wait();
        }));
        let home = begins.await.unwrap();
        let abort = call.abort_handle();
        thread::spawn(move || abort.abort()).join().unwrap();
        assert!(call.await.unwrap_err().is_cancelled());
        if policy == OnDrop::Finish {
            open.send(()).unwrap();
        }
        layer.handle().drained().await;
        assert_eq!(place.get(), Some(home));
        assert_eq!(layer.handle().counters().leaked, 0);
        assert_eq!(layer.handle().counters().cancelled, u64::from(policy != OnDrop::Finish));
    }
}

#[tokio::test]
async fn the_response_is_dropped_on_a_foreign_thread() {
    for policy in POLICIES {
        for layer in both(FiberLayer::builder().on_drop(policy)) {
            let place = Place::default();
            let noted = place.clone();
            let (begun, begins) = oneshot::channel();
            let mut call = Box::pin(layer.run(move || {
                let _local = noted.local();
                begun.send(thread::current().id()).unwrap();
                _ = try_await_in_fiber(tower_fiber::until_caller_gone());
                yield_now().wait();
            }));
            assert!(poll_once(&mut call).await.is_none());
            let home = begins.await.unwrap();
            thread::spawn(move || drop(call)).join().unwrap();
            layer.handle().drained().await;
            assert_eq!((place.get(), layer.handle().counters().leaked), (Some(home), 0));
        }
    }
}

#[test]
fn a_parked_service_is_dropped_on_a_foreign_thread() {
    use tower::{Layer as _, ServiceExt as _, service_fn};

    let (runtime, layer, place) = (current_thread(), FiberLayer::new(), Place::default());
    let noted = place.clone();
    let service = layer.layer(service_fn(move |()| {
        let local = noted.local();
        async move {
            pending::<()>().await;
            drop(local);
            Ok::<_, std::convert::Infallible>(())
        }
    }));
    let mut call = Box::pin(service.oneshot(()));
    runtime.block_on(async { assert!(poll_once(&mut call).await.is_none()) });
    thread::spawn(move || drop(call)).join().unwrap();
    assert_eq!((place.get(), layer.handle().live()), (None, 0));
    runtime.block_on(async { layer.handle().drained().await });
    assert_eq!((place.get(), layer.handle().counters().leaked), (Some(thread::current().id()), 0));
}

#[tokio::test]
async fn the_last_waker_is_dropped_on_a_foreign_thread_after_the_pools_handle() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let handle = layer.handle();
    let (wakers, sent) = mpsc::channel();
    let (place, held) = (Place::default(), Drops::default());
    let (noted, value): (_, Held) = (place.clone(), held.held());
    let mut call = Box::pin(layer.run(move || {
        let (_local, _value) = (noted.local(), value);
        let mut polls = 0;
        let home = thread::current().id();
        let twice = poll_fn(move |cx| {
            polls += 1;
            wakers.send((cx.waker().clone(), home)).unwrap();
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        twice.wait();
    }));
    assert!(poll_once(&mut call).await.is_none());
    let (waker, home) = tokio::task::spawn_blocking(move || sent.recv().unwrap()).await.unwrap();
    drop((call, layer));
    thread::spawn(move || waker.wake()).join().unwrap();
    handle.drained().await;
    assert_eq!((place.get(), held.count(), handle.counters().leaked), (Some(home), 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waits_on_a_multi_thread_runtime() {
    let busy: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async {
                for _ in 0..5_000 {
                    yield_now().await;
                }
            })
        })
        .collect();
    let threads = run_in_fiber(|| {
        let here = thread::current().id();
        (0..10_000)
            .filter(|_| {
                yield_now().wait();
                thread::current().id() != here
            })
            .count()
    });
    assert_eq!(threads.await, 0);
    for task in busy {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_suspended_future_is_forgotten() {
    for layer in both(FiberLayer::builder()) {
        let (open, gate) = oneshot::channel::<()>();
        let drops = Drops::default();
        let held = drops.held();
        let mut call = Box::pin(layer.run(move || {
            let (_held, bytes) = (held, [7_u8; 4096]);
            gate.wait().unwrap();
            assert_eq!(bytes, [7; 4096], "nothing was reused");
        }));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 1).await;
        let mut call = ManuallyDrop::new(call);
        for n in 0..100_u8 {
            let other = layer.run(move || {
                let bytes = [n; 4096];
                yield_now().wait();
                bytes
            });
            assert_eq!(other.await, [n; 4096]);
        }
        assert_eq!((layer.handle().live(), drops.count()), (1, 0));
        open.send(()).unwrap();
        (&mut *call).await;
        assert_eq!(drops.count(), 1);
    }
}
