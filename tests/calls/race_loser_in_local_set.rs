//! Who goes on with what `race` leaves, wherever it is called.

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{LocalSet, yield_now},
};
use tower_fiber::{FiberLayer, OnDrop, Placement, WaitExt as _, join, race, run_local};

use crate::support::{Drops, Held, until};

/// The second of two wins; the first holds something until the gate opens.
fn winner(held: Held, gate: oneshot::Receiver<()>) -> u32 {
    let loser = move || {
        let _held = held;
        gate.wait().unwrap();
        1
    };
    let winner = || {
        yield_now().wait();
        2
    };
    let functions: [Box<dyn FnOnce() -> u32 + Send>; 2] = [Box::new(loser), Box::new(winner)];
    race(functions)
}

fn many_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The loser of a race in this layer ends.
async fn loser_ends(layer: FiberLayer) {
    let drops = Drops::default();
    let (open, gate) = oneshot::channel();
    let held = drops.held();
    assert_eq!(layer.run(move || winner(held, gate)).await, 2);
    assert_eq!((layer.handle().live(), drops.count()), (1, 0));
    open.send(()).unwrap();
    until(|| layer.handle().live() == 0).await;
    let counters = layer.handle().counters();
    assert_eq!((drops.count(), counters.leaked, counters.handed_over), (1, 0, 1));
}

fn in_place() -> FiberLayer {
    FiberLayer::new().placement(Placement::InPlace)
}

#[test]
fn race_loser_in_local_set() {
    many_threads().block_on(LocalSet::new().run_until(loser_ends(in_place())));
    Builder::new_current_thread().enable_all().build().unwrap().block_on(loser_ends(in_place()));
    many_threads().block_on(loser_ends(FiberLayer::new().placement(Placement::SharedPool)));
}

#[test]
fn nothing_is_printed_about_it() {
    let ended = crate::child::run("race_loser_in_local_set::nothing_is_printed_about_it", || {
        many_threads().block_on(LocalSet::new().run_until(loser_ends(in_place())));
    });
    if let Some(ended) = ended {
        assert!(ended.0.status.success() && ended.stderr().is_empty(), "{ended:?}");
    }
}

#[test]
fn a_loser_of_a_loser_ends() {
    many_threads().block_on(LocalSet::new().run_until(async {
        let layer = in_place();
        let drops = Drops::default();
        let (open, gate) = oneshot::channel();
        let (open_inner, inner_gate) = oneshot::channel();
        let (held, inner_held) = (drops.held(), drops.held());
        let call = layer.run(move || {
            let loser = move || {
                let _held = held;
                gate.wait().unwrap();
                winner(inner_held, inner_gate);
            };
            let functions: [Box<dyn FnOnce() + Send>; 2] = [Box::new(loser), Box::new(|| yield_now().wait())];
            race(functions)
        });
        call.await;
        open.send(()).unwrap();
        until(|| drops.count() == 1).await;
        open_inner.send(()).unwrap();
        until(|| layer.handle().live() == 0).await;
        let counters = layer.handle().counters();
        assert_eq!((drops.count(), counters.leaked, counters.handed_over), (2, 0, 2));
    }));
}

#[test]
fn a_loser_in_a_fiber_inside_the_fiber_ends() {
    many_threads().block_on(LocalSet::new().run_until(async {
        let layer = in_place();
        let drops = Drops::default();
        let (open, gate) = oneshot::channel();
        let held = drops.held();
        let call = layer.run(move || join(|| yield_now().wait(), move || winner(held, gate)).1);
        assert_eq!(call.await, 2);
        open.send(()).unwrap();
        until(|| layer.handle().live() == 0).await;
        assert_eq!((drops.count(), layer.handle().counters().leaked), (1, 0));
    }));
}

#[test]
fn a_loser_follows_the_policy() {
    for policy in [OnDrop::Cancel, OnDrop::Unwind] {
        many_threads().block_on(LocalSet::new().run_until(async move {
            let layer = FiberLayer::new().placement(Placement::InPlace).on_drop(policy);
            let drops = Drops::default();
            let (open, gate) = oneshot::channel();
            let held = drops.held();
            assert_eq!(layer.run(move || winner(held, gate)).await, 2);
            if policy == OnDrop::Cancel {
                open.send(()).unwrap();
            }
            until(|| layer.handle().live() == 0).await;
            assert_eq!((drops.count(), layer.handle().counters().leaked), (1, 0));
        }));
    }
}

#[test]
fn a_loser_whose_local_set_ends_is_leaked_and_counted() {
    let layer = in_place();
    let drops = Drops::default();
    let (_open, gate) = oneshot::channel();
    let held = drops.held();
    let call = layer.run(move || winner(held, gate));
    assert_eq!(many_threads().block_on(LocalSet::new().run_until(call)), 2);
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked, drops.count()), (0, 1, 0));
}

// The policy of a local fiber is to unwind.
#[test]
fn a_loser_in_run_local_ends_on_a_current_thread_runtime() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let drops = Drops::default();
        let (open, gate) = oneshot::channel();
        let held = drops.held();
        assert_eq!(run_local(move || winner(held, gate)).await, 2);
        until(|| drops.count() == 1).await;
        assert!(open.is_closed(), "it was unwound");
    });
}

#[test]
fn a_loser_in_run_local_on_a_multi_thread_runtime_is_leaked() {
    let layer = FiberLayer::new().placement(Placement::SharedPool);
    many_threads().block_on(async {
        let drops = Drops::default();
        let (open, gate) = oneshot::channel();
        let held = drops.held();
        assert_eq!(run_local(move || winner(held, gate)).await, 2);
        assert!(open.send(()).is_ok(), "it is leaked, not dropped");
        // A worker of the pool goes on with it.
        let (_open, gate) = oneshot::channel();
        let held = drops.held();
        assert_eq!(layer.run(move || run_local(move || winner(held, gate)).wait()).await, 2);
        until(|| drops.count() == 1).await;
    });
}
