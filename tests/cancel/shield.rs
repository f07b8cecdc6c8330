//! Sections that put a cancel off.

use std::{
    future::{Future as _, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;
use tower_fiber::{
    Cancelled, OnDrop, WaitExt as _, block_on_waits, caller_gone, error::TryAwaitError, run_local, shield,
    try_await_in_fiber,
};

use crate::support::{Drops, both_on_drop, in_each_task, poll_once, until};

/// What the code of a fiber has done, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn add(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn read(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Waits for a gate. Notes it only when the gate is not open: what happens to the caller later finds the fiber
/// suspended.
fn wait_for(mut gate: oneshot::Receiver<()>, log: &Log, what: &'static str) {
    let mut is_noted = false;
    let gate = poll_fn(|cx| {
        let poll = Pin::new(&mut gate).poll(cx);
        if poll.is_pending() && !mem::replace(&mut is_noted, true) {
            log.add(what);
        }
        poll
    });
    gate.wait().unwrap();
}

/// Waits once inside nested shields, between them, and after them.
fn shielded_twice(log: &Log, mut gates: impl Iterator<Item = oneshot::Receiver<()>>) {
    shield(|| {
        shield(|| wait_for(gates.next().unwrap(), log, "inner"));
        assert!(caller_gone(), "a shield does not hide that");
        wait_for(gates.next().unwrap(), log, "outer");
    });
    log.add("after");
    match try_await_in_fiber(async { 1 }) {
        Err(TryAwaitError::Cancelled(Some(_))) => log.add("cancelled"),
        other => panic!("{:?}", other.map(drop)),
    }
    gates.next().unwrap().wait().unwrap();
    log.add("end");
}

#[test]
fn cancel_and_unwind_take_effect_when_the_outermost_of_nested_shields_ends() {
    in_each_task(|| async {
        for policy in [OnDrop::Cancel, OnDrop::Unwind] {
            for layer in both_on_drop(policy) {
                let (opens, gates): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<()>()).unzip();
                let (log, drops) = (Log::default(), Drops::default());
                let (inside, held) = (log.clone(), drops.held());
                let mut call = Box::pin(layer.run(move || {
                    let _held = held;
                    shielded_twice(&inside, gates.into_iter());
                }));
                assert!(poll_once(&mut call).await.is_none());
                until(|| log.read() == ["inner"]).await;
                drop(call);
                let mut opens = opens.into_iter();
                opens.next().unwrap().send(()).unwrap();
                until(|| log.read() == ["inner", "outer"]).await;
                opens.next().unwrap().send(()).unwrap();
                until(|| log.read().starts_with(&["inner", "outer", "after", "cancelled"])).await;
                if policy == OnDrop::Cancel {
                    opens.next().unwrap().send(()).unwrap();
                }
                layer.handle().drained().await;
                assert_eq!(log.read().last(), Some(&if policy == OnDrop::Cancel { "end" } else { "cancelled" }));
                assert_eq!(drops.count(), 1);
                let counters = layer.handle().counters();
                assert_eq!((counters.live, counters.cancelled, counters.leaked), (0, 1, 0));
            }
        }
    });
}

#[test]
fn a_shield_inside_a_nested_fiber_holds_for_the_fiber_around_it() {
    in_each_task(|| async {
        let [layer, _] = both_on_drop(OnDrop::Unwind);
        let inner = layer.clone();
        let log = Log::default();
        let (inside, around) = (log.clone(), log.clone());
        let (open, gate) = oneshot::channel::<()>();
        let mut call = Box::pin(layer.run(move || {
            inner
                .run(move || {
                    shield(|| gate.wait().unwrap());
                    inside.add("shielded");
                    std::future::pending::<()>().wait();
                })
                .wait();
            around.add("not reached");
        }));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(layer.handle().live(), 2);
        open.send(()).unwrap();
        layer.handle().drained().await;
        assert_eq!(log.read(), ["shielded"]);
        let counters = layer.handle().counters();
        assert_eq!((counters.cancelled, counters.leaked, counters.handed_over), (2, 0, 1));
    });
}

#[test]
fn a_cancel_that_took_effect_before_is_not_taken_back() {
    in_each_task(|| async {
        let [layer, _] = both_on_drop(OnDrop::Cancel);
        let log = Log::default();
        let inside = log.clone();
        let mut call = Box::pin(layer.run(move || {
            assert!(try_await_in_fiber(std::future::pending::<()>()).is_err());
            shield(|| assert!(matches!(try_await_in_fiber(async {}), Err(TryAwaitError::Cancelled(Some(_))))));
            inside.add("end");
        }));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        layer.handle().drained().await;
        assert_eq!(log.read(), ["end"]);
    });
}

#[test]
fn a_panic_inside_ends_the_shield() {
    in_each_task(|| async {
        let [layer, _] = both_on_drop(OnDrop::Unwind);
        let (open, gate) = oneshot::channel::<()>();
        let log = Log::default();
        let inside = log.clone();
        let mut call = Box::pin(layer.run(move || {
            let panicking = || {
                shield(|| {
                    gate.wait().unwrap();
                    std::panic::resume_unwind(Box::new("expected"))
                })
            };
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panicking)).unwrap_err();
            assert!(caught.is::<&str>());
            let caught = std::panic::catch_unwind(|| std::future::pending::<()>().wait()).unwrap_err();
            assert!(caught.is::<Cancelled>());
            inside.add("unwound");
        }));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        open.send(()).unwrap();
        layer.handle().drained().await;
        assert_eq!(log.read(), ["unwound"]);
    });
}

#[test]
fn outside_fibers_it_just_runs() {
    assert_eq!(shield(|| 1), 1);
    assert_eq!(block_on_waits(|| shield(|| async { 2 }.wait())), 2);
}

#[test]
fn a_local_fiber_that_is_dropped_inside_is_leaked() {
    in_each_task(|| async {
        let drops = Drops::default();
        let held = drops.held();
        let mut call = Box::pin(run_local(move || {
            let _held = held;
            shield(|| std::future::pending::<()>().wait());
        }));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        assert_eq!(drops.count(), 0);
        assert_eq!(run_local(|| async { 1 }.wait()).await, 1);
    });
}
