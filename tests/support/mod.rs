//! What several test files need.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, LocalOptions, Runtime},
    task::{LocalSet, spawn_local},
    time::timeout,
};
use tower_fiber::{FiberLayer, FiberLayerBuilder, FiberPool, OnDrop, Placement, run_in_fiber};

/// A layer in place and one on the process-wide pool, of the same settings.
pub(crate) fn both(builder: FiberLayerBuilder) -> [FiberLayer; 2] {
    [builder.clone(), builder.placement(Placement::SharedPool)].map(|builder| builder.build().unwrap())
}

/// As [`both`], with a drop policy, and the defaults for the rest.
pub(crate) fn both_on_drop(policy: OnDrop) -> [FiberLayer; 2] {
    both(FiberLayer::builder().on_drop(policy))
}

/// As [`both`], on a pool of one worker.
pub(crate) fn both_with_one_worker(builder: FiberLayerBuilder) -> [FiberLayer; 2] {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    [builder.clone(), builder.placement(pool)].map(|builder| builder.build().unwrap())
}

/// Says that a test is skipped where stacks are corosensei's, and whether it is.
pub(crate) fn skipped_without_own_stacks() -> bool {
    let has_own = cfg!(all(target_os = "linux", target_pointer_width = "64", not(tower_fiber_portable_stacks)));
    if !has_own {
        println!("skipped: it needs the crate's own stacks, which 64-bit Linux has");
    }
    !has_own
}

/// Says that a test is skipped on Windows and why, and whether it is.
pub(crate) fn skipped_on_windows(why: &str) -> bool {
    if cfg!(windows) {
        println!("skipped: {why}");
    }
    cfg!(windows)
}

/// Windows holds a lock while a thread's destructors run, so that they cannot wait for other threads.
pub(crate) const ENDS_UNDER_A_LOCK: &str = "threads end under a lock of the system";

/// The text with which `f` panics.
pub(crate) fn text_of_panic<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it should have panicked") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a text").to_string(),
    }
}

/// A test's future, of one type for all: what runs it is then compiled once, not for each of hundreds.
type Test = Pin<Box<dyn Future<Output = ()>>>;

/// Runs a test on a current-thread runtime, on one as each core has, on one with two workers, and in a task in which
/// calls have been made before, as a connection is one. A test that hangs fails.
pub(crate) fn on_each_runtime<F: Future<Output = ()> + 'static>(test: impl Fn() -> F) {
    run_on_each_runtime(&|| Box::pin(test()));
}

fn run_on_each_runtime(test: &dyn Fn() -> Test) {
    println!("on a current-thread runtime");
    current_thread().block_on(limited(test()));
    println!("on a local runtime");
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(limited(test()));
    println!("on a multi-thread runtime");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(limited(test()));
    println!("in a task that has made calls");
    run_in_used_task(test());
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn limited(test: Test) {
    timeout(Duration::from_secs(120), test).await.expect("the test hangs");
}

/// Runs a test under `block_on`, where there is no task, and in a task that has made calls.
pub(crate) fn in_each_task<F: Future<Output = ()> + 'static>(test: impl Fn() -> F) {
    run_in_each_task([Box::pin(test()), Box::pin(test())]);
}

fn run_in_each_task([first, second]: [Test; 2]) {
    current_thread().block_on(limited(first));
    run_in_used_task(second);
}

/// Runs a test in a task of a current-thread runtime in which a call was made before, so that the place of the next
/// ones is known.
pub(crate) fn in_used_task(test: impl Future<Output = ()> + 'static) {
    run_in_used_task(Box::pin(test));
}

fn run_in_used_task(test: Test) {
    let task = async {
        run_in_fiber(|| ()).await;
        limited(test).await;
    };
    LocalSet::new().block_on(&current_thread(), async { spawn_local(task).await.unwrap() });
}

/// Lets other tasks run until `condition` holds; a generous bound turns a hang into a failure.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it did not come true in two minutes");
        tokio::task::yield_now().await;
    }
}

/// Counts the destructors that have run.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A value that counts when it is dropped.
    pub(crate) fn held(&self) -> Held {
        Held(self.clone())
    }
}

pub(crate) struct Held(Drops);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls a future once, with the waker of this task.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
