//! Which worker of a pool serves a call: the first, another when that does not get on, none while all are blocked.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, yield_now},
    time::timeout,
};
use tower_fiber::{FiberLayer, FiberPool, WaitExt as _};

use crate::support::until;

fn layer(threads: usize) -> FiberLayer {
    let pool = FiberPool::builder().worker_threads(threads).build().unwrap();
    FiberLayer::new().placement(pool)
}

/// A call that blocks its worker, and what lets it go.
struct Blocked {
    thread: ThreadId,
    call: JoinHandle<()>,
    release: mpsc::Sender<()>,
}

impl Blocked {
    /// Comes back when it blocks.
    async fn new(layer: &FiberLayer) -> Self {
        let (begun, begins) = oneshot::channel();
        let (release, released) = mpsc::channel();
        let call = tokio::spawn(layer.run(move || {
            begun.send(thread::current().id()).unwrap();
            released.recv().unwrap();
        }));
        Self { thread: soon(begins).await.unwrap(), call, release }
    }

    async fn release(self) {
        self.release.send(()).unwrap();
        soon(self.call).await.unwrap();
    }
}

/// A bound turns a hang into a failure.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(30), future).await.expect("it did not come true in 30 s")
}

fn threads_of(layer: &FiberLayer, calls: usize) -> Vec<JoinHandle<ThreadId>> {
    (0..calls).map(|_| tokio::spawn(layer.run(|| thread::current().id()))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_worker_holds_no_new_calls_up_nor_those_that_wait_behind_it() {
    let layer = layer(2);
    for _ in 0..5 {
        let blocked = Blocked::new(&layer).await;
        // The first ones come before anybody can know that the worker is blocked.
        for call in threads_of(&layer, 20) {
            assert_ne!(soon(call).await.unwrap(), blocked.thread);
        }
        for _ in 0..20 {
            assert_ne!(soon(layer.run(|| thread::current().id())).await, blocked.thread);
        }
        assert!(!blocked.call.is_finished());
        blocked.release().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_always_has_something_to_do_takes_over_as_well() {
    let layer = layer(2);
    let stop = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let blocked = Blocked::new(&layer).await;
    let (begun, begins) = oneshot::channel();
    let busy = tokio::spawn(layer.run(move || {
        begun.send(thread::current().id()).unwrap();
        while !stops.load(Ordering::Relaxed) {
            tower_fiber::yield_now();
        }
        thread::current().id()
    }));
    assert_ne!(soon(begins).await.unwrap(), blocked.thread);
    let first = blocked.thread;
    blocked.release().await;
    for _ in 0..5 {
        let blocked = Blocked::new(&layer).await;
        let calls = threads_of(&layer, 10);
        if blocked.thread == first {
            for call in calls {
                assert_ne!(soon(call).await.unwrap(), first);
            }
        }
        blocked.release().await;
    }
    stop.store(true, Ordering::Relaxed);
    assert_ne!(soon(busy).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_while_all_workers_are_blocked() {
    let layer = layer(2);
    let (first, second) = (Blocked::new(&layer).await, Blocked::new(&layer).await);
    assert_ne!(first.thread, second.thread);
    let calls = threads_of(&layer, 50);
    // All have been handed over when as many are in the books.
    until(|| layer.handle().live() >= 2).await;
    for _ in 0..1000 {
        yield_now().await;
    }
    assert!(calls.iter().all(|call| !call.is_finished()));
    let free = second.thread;
    second.release().await;
    for call in calls {
        assert_eq!(soon(call).await.unwrap(), free, "the other worker is still blocked");
    }
    first.release().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fiber_that_has_begun_stays_with_its_blocked_worker() {
    let layer = layer(2);
    let (open, gate) = oneshot::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let fiber = tokio::spawn(layer.run(move || {
        begun.send(()).unwrap();
        let before = thread::current().id();
        gate.wait().unwrap();
        (before, thread::current().id())
    }));
    soon(begins).await.unwrap();
    let blocked = [Blocked::new(&layer).await, Blocked::new(&layer).await];
    open.send(()).unwrap();
    let [one, other] = blocked;
    // One of the two blocks the fiber's worker.
    one.release().await;
    other.release().await;
    let (before, after) = soon(fiber).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_worker_with_nobody_beside_it_serves_its_calls_later() {
    let layer = layer(1);
    let blocked = Blocked::new(&layer).await;
    let calls = threads_of(&layer, 10);
    let thread = blocked.thread;
    blocked.release().await;
    for call in calls {
        assert_eq!(soon(call).await.unwrap(), thread);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_worker_serves_what_it_can() {
    const CALLS: usize = 100;

    let pool = FiberPool::builder().worker_threads(4).thread_name("filled").build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    // A busy machine may keep the first from running for a while, so there is more than one try. Dealt out in turn it
    // would get a quarter in each.
    let begun = Instant::now();
    let mut tries = Vec::new();
    while begun.elapsed() < Duration::from_secs(60) {
        let mut by_first = 0;
        for _ in 0..CALLS {
            let waits_too = layer.run(|| {
                yield_now().wait();
                thread::current().name() == Some("filled-0")
            });
            by_first += usize::from(soon(waits_too).await);
        }
        if by_first > CALLS * 3 / 4 {
            return;
        }
        tries.push(by_first);
    }
    panic!("of {CALLS} calls the first worker served {tries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_hook_runs_once_on_each_worker() {
    let started = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&started);
    let hook = move || seen.lock().unwrap().push((thread::current().id(), thread::current().name().map(str::to_owned)));
    let pool = FiberPool::builder().worker_threads(3).thread_name("hooked").on_thread_start(hook).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    until(|| started.lock().unwrap().len() == 3).await;
    for call in threads_of(&layer, 100) {
        let id = soon(call).await.unwrap();
        assert!(started.lock().unwrap().iter().any(|(hooked, _)| *hooked == id));
    }
    let mut names: Vec<_> = started.lock().unwrap().iter().map(|(_, name)| name.clone().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["hooked-0", "hooked-1", "hooked-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_hook_that_panics_costs_no_worker() {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let hook = move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::panic::resume_unwind(Box::new("expected"))
    };
    let pool = FiberPool::builder().worker_threads(1).on_thread_start(hook).build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    assert_eq!(soon(layer.run(|| async { 3 }.wait())).await, 3);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

/// How often the threads with this name went to sleep.
#[cfg(target_os = "linux")]
fn sleeps(name: &str) -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let status =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default());
    let ours = status.filter(|status| status.lines().next().is_some_and(|line| line.contains(name)));
    let sleeps = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("a number");
        line.trim().parse::<u64>().unwrap()
    };
    ours.map(sleeps).sum()
}

/// A worker that looked for work, or a watcher that ticked, would do so a thousand times and more.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_pool_uses_no_cpu() {
    let pool = FiberPool::builder().worker_threads(2).thread_name("idler").build().unwrap();
    let layer = FiberLayer::new().placement(pool);
    for call in threads_of(&layer, 100) {
        soon(call).await.unwrap();
    }
    for blocks in [false, true] {
        let blocked = if blocks { Some(Blocked::new(&layer).await) } else { None };
        let (_held, never) = mpsc::channel::<()>();
        let mut before = sleeps("idler");
        // On a busy machine it may take a while until they have come to rest.
        let seconds = (0..30).map(|_| {
            never.recv_timeout(Duration::from_secs(1)).unwrap_err();
            let (now, last) = (sleeps("idler"), before);
            before = now;
            now - last
        });
        let slept = seconds.take_while(|&slept| slept >= 150).collect::<Vec<_>>();
        assert!(before > 0, "idle threads have gone to sleep");
        assert!(slept.len() < 30, "sleeps in each second, with a blocked worker ({blocks}): {slept:?}");
        if let Some(blocked) = blocked {
            blocked.release().await;
        }
    }
}
