//! tokio's paused clock, and fibers on the pool: it stands still while one runs, and jumps while all wait.

use std::{future::poll_fn, sync::mpsc, task::Poll, thread, time::Duration};

use futures_util::future::join_all;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use tower_fiber::{FiberLayer, FiberPool, Placement, WaitExt as _, offload, race};

use crate::support::{Drops, until};

const HOUR: Duration = Duration::from_secs(3600);

fn pooled() -> FiberLayer {
    FiberLayer::new().placement(Placement::SharedPool)
}

/// Blocks its thread until the runtime's sleeps. With a clock that jumps now it would not, or only in passing.
fn busy(runtime: &Handle) -> u64 {
    while runtime.metrics().worker_park_unpark_count(0) % 2 == 0 {
        thread::yield_now();
    }
    42
}

#[tokio::test(start_paused = true)]
async fn paused_clock_on_pool() {
    let runtime = Handle::current();
    let begun = Instant::now();
    let call = pooled().run({
        let runtime = runtime.clone();
        move || busy(&runtime)
    });
    assert_eq!(timeout(HOUR, call).await, Ok(42));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(timeout(HOUR, spawn_blocking(move || busy(&runtime))).await.unwrap().unwrap(), 42);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_jumps_while_the_fiber_waits_and_stands_again_when_it_goes_on() {
    let runtime = Handle::current();
    let begun = Instant::now();
    let call = pooled().run(move || {
        (1..=3)
            .map(|n| {
                sleep(HOUR).wait();
                (begun.elapsed() == n * HOUR, busy(&runtime), begun.elapsed() == n * HOUR)
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(timeout(4 * HOUR, call).await.unwrap(), [(true, 42, true); 3]);
    assert_eq!(begun.elapsed(), 3 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_elapses_for_a_fiber_that_waits_longer() {
    let layer = pooled();
    let drops = Drops::default();
    let held = drops.held();
    let begun = Instant::now();
    let call = layer.run(move || {
        sleep(2 * HOUR).wait();
        drop(held);
    });
    assert!(timeout(HOUR, call).await.is_err());
    assert_eq!((begun.elapsed(), drops.count()), (HOUR, 0));
    sleep(2 * HOUR).await;
    until(|| layer.handle().live() == 0).await;
    assert_eq!((drops.count(), layer.handle().counters().leaked), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn many_at_once() {
    let layer = FiberLayer::new().placement(FiberPool::builder().worker_threads(2).build().unwrap());
    let begun = Instant::now();
    let calls = (1..=200_u32).map(|n| {
        layer.run(move || {
            sleep(n * Duration::from_secs(1)).wait();
            let slept = begun.elapsed();
            offload(|| ());
            (slept, begun.elapsed())
        })
    });
    for (n, ends) in (1..).zip(timeout(HOUR, join_all(calls)).await.unwrap()) {
        assert_eq!(ends, (n * Duration::from_secs(1), n * Duration::from_secs(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_race_leaves_holds_it_as_well() {
    let runtime = Handle::current();
    let layer = pooled();
    let begun = Instant::now();
    let (send, ended) = mpsc::channel();
    let won = layer.run(move || {
        let loser: Box<dyn FnOnce() -> u32 + Send> = Box::new(move || {
            sleep(HOUR).wait();
            busy(&runtime);
            send.send(begun.elapsed()).unwrap();
            1
        });
        race([loser, Box::new(|| 2)])
    });
    assert_eq!(won.await, 2);
    sleep(HOUR + Duration::from_secs(1)).await;
    until(|| layer.handle().live() == 0).await;
    assert_eq!(ended.try_recv(), Ok(HOUR));
}

#[test]
fn a_runtime_ends_while_its_fibers_wait() {
    let layer = pooled();
    let drops = Drops::default();
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (open, gate) = oneshot::channel::<()>();
    runtime.block_on(async {
        let held = drops.held();
        let (begun, begins) = oneshot::channel();
        tokio::spawn(layer.run(move || {
            begun.send(()).unwrap();
            _ = gate.wait();
            drop(held);
        }));
        begins.await.unwrap();
    });
    drop(runtime);
    // Nobody's clock is held for it.
    drop(open);
    while layer.handle().live() > 0 {
        thread::yield_now();
    }
    assert_eq!((drops.count(), layer.handle().counters().leaked), (1, 0));
}

#[test]
fn a_waker_that_is_woken_after_the_end_holds_nothing() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let kept = runtime.block_on(pooled().run(|| poll_fn(|cx| Poll::Ready(cx.waker().clone())).wait()));
    kept.wake_by_ref();
    // It would wait for ever.
    drop(runtime);
    kept.wake();
}
