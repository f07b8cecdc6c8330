//! Calls that go on without their callers: how many there are, and what bounds them.

use std::{convert::Infallible, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::watch, time::timeout};
use tower::{Layer as _, Service, ServiceExt as _, limit::ConcurrencyLimitLayer};
use tower_fiber::{Counters, FiberHandle, FiberLayer, FiberState, OnDrop, WaitExt as _, sync_fn};

use crate::support::{both, in_each_task, on_each_runtime, poll_once, until};

const BURST: u64 = 64;

/// Three bursts under a limit of tower's and a time-out, against a service that answers none of them.
async fn three_bursts<S>(service: S)
where
    S: Service<(), Response = (), Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let limited = ConcurrencyLimitLayer::new(BURST as usize).layer(service);
    for _ in 0..3 {
        // The time-out is for readiness as well.
        let calls = join_all((0..BURST).map(|_| timeout(Duration::from_millis(1), limited.clone().oneshot(()))));
        assert!(calls.await.into_iter().all(|answer| answer.is_err()));
    }
}

/// Begins the bursts on a layer of these settings, checks how many are abandoned, and lets all end.
async fn bursts(max_fibers: Option<usize>) {
    let builder = FiberLayer::builder().name("orders");
    let builder = if let Some(max) = max_fibers { builder.max_fibers(max) } else { builder };
    for layer in both(builder) {
        let (open, gate) = watch::channel(false);
        let handler = move |()| {
            gate.clone().wait_for(|is_open| *is_open).wait().unwrap();
            Ok::<_, Infallible>(())
        };
        three_bursts(layer.layer(sync_fn(handler))).await;
        let handle = layer.handle();
        let expected = max_fibers.map_or(3 * BURST, |max| max as u64);
        until(|| handle.counters().abandoned == expected).await;
        let counters = handle.counters();
        assert_eq!(counters.live, expected);
        // Those that wait in line on the pool go on as well.
        assert!((expected..=3 * BURST).contains(&counters.handed_over), "{counters:?}");
        // Those that have only just begun on the pool have not waited yet.
        until(|| handle.dump().fibers.iter().filter(|fiber| fiber.abandoned.is_some()).count() as u64 == expected)
            .await;
        let dump = handle.dump();
        assert!(dump.fibers.iter().all(|fiber| fiber.abandoned.unwrap() < Duration::from_secs(60)), "{dump}");
        assert!(dump.to_string().contains(", caller gone 0."), "{dump}");
        open.send(true).unwrap();
        handle.drained().await;
        assert_eq!(none_left(&handle), (0, 0, 0, 0));
    }
}

fn none_left(handle: &FiberHandle) -> (u64, u64, u64, u64) {
    let Counters { live, abandoned, stacks_in_use, leaked, .. } = handle.counters();
    (live, abandoned, stacks_in_use, leaked)
}

#[test]
fn a_concurrency_limit_does_not_count_them() {
    on_each_runtime(|| bursts(None));
}

#[test]
fn max_fibers_counts_them() {
    on_each_runtime(|| bursts(Some(BURST as usize)));
}

#[test]
fn a_call_with_a_caller_is_not_one() {
    in_each_task(|| async {
        for layer in both(FiberLayer::builder()) {
            let (open, gate) = watch::channel(false);
            let mut call = Box::pin(layer.run(move || _ = gate.clone().wait_for(|is_open| *is_open).wait()));
            assert!(poll_once(&mut call).await.is_none());
            let handle = layer.handle();
            until(|| handle.dump().fibers.len() == 1).await;
            let dump = handle.dump();
            assert_eq!((dump.fibers[0].state, dump.fibers[0].abandoned), (FiberState::Waiting, None));
            assert!(!dump.to_string().contains("caller gone"), "{dump}");
            open.send(true).unwrap();
            call.await;
            assert_eq!(handle.counters(), Counters::default());
        }
    });
}

#[test]
fn fibers_inside_are_counted_by_their_own_layer() {
    in_each_task(|| async {
        for (outer, inner) in both(FiberLayer::builder()).into_iter().zip(both(FiberLayer::builder())) {
            let (open, gate) = watch::channel(false);
            let handles = [outer.handle(), inner.handle()];
            let mut call = Box::pin(outer.run(move || {
                inner.run(move || _ = gate.clone().wait_for(|is_open| *is_open).wait()).wait();
            }));
            assert!(poll_once(&mut call).await.is_none());
            until(|| handles[1].live() == 1).await;
            drop(call);
            until(|| handles.iter().all(|handle| handle.counters().abandoned == 1)).await;
            assert_eq!(handles[1].counters().handed_over, 0, "its response future is still there");
            open.send(true).unwrap();
            for handle in handles {
                handle.drained().await;
                assert_eq!(none_left(&handle), (0, 0, 0, 0));
            }
        }
    });
}

#[test]
fn they_are_counted_until_they_end_by_every_policy() {
    on_each_runtime(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            for layer in both(FiberLayer::builder().on_drop(policy)) {
                let (open, gate) = watch::channel(false);
                let mut call = Box::pin(layer.run(move || {
                    tower_fiber::shield(|| _ = gate.clone().wait_for(|is_open| *is_open).wait());
                }));
                assert!(poll_once(&mut call).await.is_none());
                let handle = layer.handle();
                until(|| handle.live() == 1).await;
                drop(call);
                until(|| handle.counters().abandoned == 1).await;
                open.send(true).unwrap();
                until(|| handle.live() == 0).await;
                assert_eq!(none_left(&handle), (0, 0, 0, 0), "{policy:?}: `live` is counted last");
                handle.drained().await;
            }
        }
    });
}

/// A leaked fiber does not run any more.
#[test]
fn leaked_fibers_are_not_counted() {
    let (outer, inner) = (FiberLayer::new(), FiberLayer::new());
    let handles = [outer.handle(), inner.handle()];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut call = Box::pin(outer.run(move || inner.run(|| std::future::pending::<()>().wait()).wait()));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        until(|| handles.iter().all(|handle| handle.counters().abandoned == 1)).await;
    });
    drop(runtime);
    for handle in handles {
        assert_eq!(none_left(&handle), (0, 0, 1, 1));
    }
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn most_of_a_limit_is_reported_once_an_episode() {
    let warnings = crate::events::Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let layer = FiberLayer::builder().name("orders").max_fibers(4).build().unwrap();
    let handle = layer.handle();
    for _ in 0..2 {
        let (open, gate) = watch::channel(false);
        for gone in 1..=4 {
            let mut gate = gate.clone();
            let mut call = Box::pin(layer.run(move || _ = gate.wait_for(|is_open| *is_open).wait()));
            assert!(poll_once(&mut call).await.is_none());
            drop(call);
            until(|| handle.counters().abandoned == gone).await;
            let said = warnings.take();
            assert_eq!(said.len(), usize::from(gone == 3), "{gone}: {said:?}");
            for text in ["orders", "max_fibers=4", "abandoned=3"].iter().filter(|_| gone == 3) {
                assert!(said[0].contains(text), "{said:?}");
            }
        }
        open.send(true).unwrap();
        handle.drained().await;
    }
}
