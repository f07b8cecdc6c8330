//! Finish, in place: however the response goes, and on whatever drives it, the rest runs as a task of that runtime.

use std::{
    thread::{self, ThreadId},
    time::Duration,
};

use tokio::{
    runtime::{self, Builder, Handle},
    sync::oneshot,
    task::{self, LocalSet},
    time::timeout,
};
use tower_fiber::{FiberLayer, InFiber, Placement, WaitExt as _};

use crate::support::Drops;

const WAYS: [&str; 4] = ["timeout", "select! loser", "abort from the same thread", "abort from another thread"];

/// Ends when the response has gone. `local` if tasks are to be those of a `LocalSet` or `LocalRuntime`.
async fn lose(way: &str, call: InFiber<()>, local: bool) {
    match way {
        "timeout" => assert!(timeout(Duration::from_millis(10), call).await.is_err()),
        "select! loser" => tokio::select! {
            biased;
            () = call => panic!("it waits"),
            () = turns() => {}
        },
        _ => {
            let call = if local { task::spawn_local(call) } else { task::spawn(call) };
            turns().await;
            let abort = call.abort_handle();
            if way == "abort from another thread" {
                thread::spawn(move || abort.abort()).join().unwrap();
            } else {
                abort.abort();
            }
            assert!(call.await.unwrap_err().is_cancelled());
        }
    }
}

/// Lets other tasks begin.
async fn turns() {
    for _ in 0..10 {
        task::yield_now().await;
    }
}

/// Where code runs: thread, runtime and task.
fn here() -> (ThreadId, runtime::Id, Option<task::Id>) {
    (thread::current().id(), Handle::current().id(), task::try_id())
}

/// All ways, one after the other, under `layer`, whose fibers run on this thread.
async fn all_ways(layer: FiberLayer, local: bool) {
    for way in WAYS {
        let drops = Drops::default();
        let held = drops.held();
        let (begun, begins) = oneshot::channel();
        let (open, gate) = oneshot::channel::<u32>();
        let (effect, effects) = oneshot::channel();
        let call = layer.run(move || {
            let _held = held;
            begun.send(here()).unwrap();
            effect.send((gate.wait().unwrap(), here())).unwrap();
        });
        lose(way, call, local).await;
        let before = begins.await.unwrap();
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.stacks_in_use, drops.count()), (1, 1, 0), "{way}: held until the end");
        open.send(5).unwrap();
        let (value, after) = effects.await.unwrap();
        assert_eq!((value, after.0, after.1), (5, before.0, before.1), "{way}");
        assert_eq!(before.0, thread::current().id(), "{way}");
        assert!(after.2.is_some(), "{way}: in a task");
        layer.handle().drained().await;
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.stacks_in_use, counters.leaked, drops.count()), (0, 0, 0, 1), "{way}");
    }
}

fn current_thread() -> Builder {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    builder
}

#[test]
fn finish_in_place_on_a_current_thread_runtime() {
    let layer = FiberLayer::new();
    current_thread().build().unwrap().block_on(all_ways(layer.clone(), false));
    assert_eq!(layer.handle().counters().handed_over, WAYS.len() as u64);
}

#[test]
fn finish_in_place_on_a_local_runtime() {
    let layer = FiberLayer::new();
    current_thread().build_local(Default::default()).unwrap().block_on(all_ways(layer.clone(), true));
    assert_eq!(layer.handle().counters().handed_over, WAYS.len() as u64);
}

#[test]
fn finish_in_place_in_a_local_set_of_a_current_thread_runtime() {
    let layer = FiberLayer::new();
    let calls = layer.clone();
    let set = LocalSet::new();
    let ended = set.run_until(async { task::spawn_local(all_ways(calls, true)).await.unwrap() });
    current_thread().build().unwrap().block_on(ended);
    assert_eq!(layer.handle().counters().handed_over, WAYS.len() as u64);
}

#[test]
fn finish_in_place_in_a_local_set_of_a_multi_thread_runtime() {
    let layer = FiberLayer::new().placement(Placement::InPlace);
    let calls = layer.clone();
    let set = LocalSet::new();
    let ended = set.run_until(async { task::spawn_local(all_ways(calls, true)).await.unwrap() });
    Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap().block_on(ended);
    assert_eq!(layer.handle().counters().handed_over, WAYS.len() as u64);
}
