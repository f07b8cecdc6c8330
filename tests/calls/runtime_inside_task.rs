//! Runtimes inside a task of another: `block_in_place`, and what the task's own calls do before, during and after it.

use std::{sync::Arc, thread};

use tokio::{
    runtime::{Builder, Handle, LocalOptions},
    sync::oneshot,
    task::{JoinError, LocalSet, block_in_place, spawn_local, yield_now},
};
use tower_fiber::{FiberLayer, WaitExt as _, run_in_fiber};

use crate::support::{Drops, poll_once, until};

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

async fn is_pooled() -> bool {
    run_in_fiber(thread_name).await.starts_with("tower-fiber-")
}

async fn is_here() -> bool {
    run_in_fiber(|| thread::current().id()).await == thread::current().id()
}

/// A call of this task waits, is dropped, and goes on to its end.
async fn ends_when_it_is_dropped() {
    let layer = FiberLayer::new();
    let drops = Drops::default();
    let held = drops.held();
    let (open, gate) = oneshot::channel();
    let mut call = layer.run(move || {
        gate.wait().unwrap();
        drop(held);
    });
    assert_eq!(poll_once(&mut call).await, None);
    until(|| layer.handle().counters().stacks_in_use == 1).await;
    drop(call);
    open.send(()).unwrap();
    until(|| layer.handle().live() == 0).await;
    assert_eq!((drops.count(), layer.handle().counters().leaked), (1, 0));
}

/// Runs `inside` where a task of a multi-thread runtime blocks, and calls of that task before and after it.
fn around(inside: impl FnOnce() + Send + 'static) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let task = async {
        assert!(is_pooled().await, "before");
        ends_when_it_is_dropped().await;
        block_in_place(inside);
        for _ in 0..3 {
            assert!(is_pooled().await, "after");
            ends_when_it_is_dropped().await;
            yield_now().await;
        }
    };
    let joined: Result<(), JoinError> = runtime.block_on(runtime.spawn(task));
    joined.unwrap();
}

#[test]
fn runtime_inside_task() {
    around(|| {
        let inner = Builder::new_current_thread().enable_all().build().unwrap();
        inner.block_on(async {
            assert!(is_here().await);
            ends_when_it_is_dropped().await;
            assert!(is_here().await);
        });
    });
}

#[test]
fn a_local_runtime_inside_a_task() {
    around(|| {
        let inner = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        inner.block_on(async {
            assert!(is_here().await);
            ends_when_it_is_dropped().await;
            let task = spawn_local(async {
                assert!(is_here().await);
                ends_when_it_is_dropped().await;
                is_here().await
            });
            assert!(task.await.unwrap());
        });
    });
}

#[test]
fn a_task_of_a_runtime_inside_a_task() {
    around(|| {
        let inner = Builder::new_current_thread().enable_all().build().unwrap();
        let task = async {
            assert!(is_here().await);
            ends_when_it_is_dropped().await;
            is_here().await
        };
        assert!(inner.block_on(inner.spawn(task)).unwrap());
        let is_here = LocalSet::new().block_on(&inner, async { spawn_local(is_here()).await });
        assert!(is_here.unwrap());
    });
}

#[test]
fn blocking_on_the_handle_of_a_runtime_that_another_thread_drives() {
    with_runtime_elsewhere(|other| {
        around(move || {
            other.block_on(async {
                assert!(is_pooled().await);
                ends_when_it_is_dropped().await;
            });
        });
    });
}

#[test]
fn blocking_on_the_handle_of_a_runtime_that_nobody_drives() {
    let other = Arc::new(Builder::new_current_thread().enable_all().build().unwrap());
    // Once on each worker, of which the first has the number that the thread of every current-thread runtime has.
    for _ in 0..8 {
        let handle = other.handle().clone();
        around(move || {
            handle.block_on(async {
                assert!(is_pooled().await);
                ends_when_it_is_dropped().await;
            });
        });
    }
}

#[test]
fn the_handle_of_a_runtime_that_another_thread_drives_is_entered_in_a_task() {
    with_runtime_elsewhere(|other| {
        let task = async move {
            let polled = std::future::poll_fn(move |cx| {
                let _entered = other.enter();
                let mut pooled = Box::pin(is_pooled());
                // The pool may be faster than this poll.
                std::task::Poll::Ready(match pooled.as_mut().poll(cx) {
                    std::task::Poll::Ready(is_pooled) => is_pooled,
                    std::task::Poll::Pending => true,
                })
            });
            assert!(polled.await, "a call in place ends at once");
        };
        Builder::new_current_thread().build().unwrap().block_on(task);
    });
}

/// Gives `f` the handle of a runtime whose thread has nothing to do.
fn with_runtime_elsewhere(f: impl FnOnce(Handle)) {
    let (send, receive) = std::sync::mpsc::channel();
    let (end, ends) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        send.send(runtime.handle().clone()).unwrap();
        runtime.block_on(ends).unwrap_err();
    });
    let handle = receive.recv().unwrap();
    while handle.metrics().worker_park_count(0) == 0 {
        thread::yield_now();
    }
    f(handle);
    drop(end);
    thread.join().unwrap();
}
