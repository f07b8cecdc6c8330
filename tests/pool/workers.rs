//! Pools of pinned workers.

use std::{
    cell::RefCell,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use tokio::{runtime::Builder, sync::oneshot, task::yield_now};
use tokio_test::{assert_pending, task};
use tower_fiber::{FiberLayer, FiberPool, WaitExt as _};

use crate::support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_ones_own() {
    let pool = FiberPool::builder().worker_threads(3).thread_name("legacy").build().unwrap();
    assert_eq!(pool.worker_threads(), 3);
    let layer = FiberLayer::new().placement(pool.clone());
    let calls = (0..300).map(|n| {
        tokio::spawn(layer.run(move || {
            yield_now().wait();
            (n, thread::current().name().unwrap().to_owned())
        }))
    });
    let mut names = Vec::new();
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let (m, name) = call.await.unwrap();
        assert_eq!(m, n);
        assert!(name.starts_with("legacy-"), "{name}");
        names.push(name);
    }
    assert_eq!(layer.handle().counters(), Default::default());
}

thread_local! {
    /// Dropped when its thread ends.
    static ALIVE: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) };
}

#[test]
fn dropping_a_pool_lets_its_fibers_end_and_then_its_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let (send, receive) = oneshot::channel::<u32>();
    let (begun, begins) = oneshot::channel();
    let (alive, ended) = mpsc::channel();
    let call = runtime.spawn(layer.run(move || {
        ALIVE.replace(Some(alive));
        begun.send(()).unwrap();
        receive.wait().unwrap()
    }));
    runtime.block_on(begins).unwrap();
    drop(layer);
    send.send(3).unwrap();
    assert_eq!(runtime.block_on(call).unwrap(), 3);
    assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_fiber_that_always_has_work_lets_the_others_of_its_worker_run() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let busy = tokio::spawn(layer.run(move || {
        while !seen.load(Ordering::Relaxed) {
            tower_fiber::yield_now();
        }
    }));
    // tokio defers these wakes until its scheduler, below the worker, is in control.
    let polite = tokio::spawn(layer.run(move || {
        for _ in 0..10 {
            yield_now().wait();
        }
        done.store(true, Ordering::Relaxed);
    }));
    polite.await.unwrap();
    busy.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_workers_job_panics_and_the_worker_lives() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let worker = layer.run(|| thread::current().id()).await;
    for waits in [false, true].repeat(5) {
        let call = tokio::spawn(layer.run(move || {
            if waits {
                yield_now().wait();
            }
            std::panic::resume_unwind(Box::new("expected"))
        }));
        assert!(call.await.unwrap_err().is_panic());
    }
    assert_eq!(layer.run(|| thread::current().id()).await, worker);
    layer.handle().drained().await;
    assert_eq!(layer.handle().counters(), Default::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_whose_destructor_panics_harms_nobody() {
    struct Angry;

    impl Drop for Angry {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("expected"));
        }
    }

    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let (begun, begins) = oneshot::channel();
    let (send, receive) = oneshot::channel::<()>();
    let call = tokio::spawn(layer.run(move || {
        begun.send(()).unwrap();
        receive.wait().unwrap();
        Angry
    }));
    begins.await.unwrap();
    call.abort();
    assert!(call.await.is_err());
    send.send(()).unwrap();
    assert_eq!(layer.run(|| async { 1 }.wait()).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_whose_wakers_are_all_gone_goes_on_waiting() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    let stored = Arc::new(Mutex::new(None));
    let store = Arc::clone(&stored);
    let call = layer.run(move || {
        let waits = poll_fn(|cx| {
            *store.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        waits.wait();
    });
    let mut call = task::spawn(call);
    assert_pending!(call.poll());
    until(|| stored.lock().unwrap().is_some()).await;
    // When the worker has served another call it has left this one, so the waker is the last.
    assert_eq!(layer.run(|| async { 1 }.wait()).await, 1);
    drop(stored.lock().unwrap().take());
    assert_eq!(layer.run(|| async { 1 }.wait()).await, 1);
    assert_pending!(call.poll());
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (1, 0), "as a thread that waits for ever");
}
