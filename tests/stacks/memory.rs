//! Many calls that end badly, and no memory kept. Each case is a process of its own.

use std::{convert::Infallible, future::pending, panic::resume_unwind, time::Duration};

use tokio::runtime::Builder;
use tower::{Layer as _, ServiceExt as _, timeout::TimeoutLayer};
use tower_fiber::{OnDrop, WaitExt as _, sync_fn, try_await_in_fiber};

use crate::{
    child,
    support::{both_on_drop, poll_once},
    system::memory,
};

const POLICIES: [OnDrop; 3] = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind];

/// Runs `round` a tenth of `times` to warm up, then `times`; memory must not have grown by a tenth of a KiB a time.
fn stays_flat(times: usize, mut round: impl FnMut()) {
    (0..times / 10).for_each(|_| round());
    let (resident, maps) = memory();
    (0..times).for_each(|_| round());
    let (resident_after, maps_after) = memory();
    assert!(resident_after <= resident + times / 10, "{resident} KiB before, {resident_after} KiB after");
    assert!(maps_after <= maps + 100, "{maps} mappings before, {maps_after} after");
}

#[test]
fn a_select_losing_branch_100_000_times() {
    child::passes("memory::a_select_losing_branch_100_000_times", || {
        let runtime = Builder::new_current_thread().build().unwrap();
        for policy in [OnDrop::Cancel, OnDrop::Unwind] {
            for (layer, times) in both_on_drop(policy).into_iter().zip([100_000, 10_000]) {
                stays_flat(times, || {
                    runtime.block_on(async {
                        let call = layer.run(|| {
                            let _kept = [1_u8; 1000].to_vec();
                            _ = try_await_in_fiber(pending::<()>());
                            tokio::task::yield_now().wait();
                        });
                        tokio::select! {
                            biased;
                            () = call => unreachable!("it waits"),
                            () = async {} => {}
                        }
                        layer.handle().drained().await;
                    });
                });
                let counters = layer.handle().counters();
                assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 0, 0));
            }
        }
    });
}

#[test]
fn a_100_000_panicking_requests() {
    child::passes("memory::a_100_000_panicking_requests", || {
        let runtime = Builder::new_current_thread().build().unwrap();
        for (layer, times) in both_on_drop(OnDrop::Finish).into_iter().zip([100_000, 20_000]) {
            let service = layer.layer(sync_fn(|text: String| {
                let _kept = text;
                // Without the hook, which would print.
                resume_unwind(Box::new([1_u8; 1000]));
                #[expect(unreachable_code, reason = "it gives the function its type")]
                Ok::<(), Infallible>(())
            }));
            stays_flat(times, || {
                let request = "x".repeat(1000);
                assert!(runtime.block_on(tokio::task::unconstrained(quiet(service.clone().oneshot(request)))));
            });
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 0, 0));
        }
    });
}

/// Whether the future panics.
async fn quiet(future: impl Future) -> bool {
    use futures_util::FutureExt as _;
    std::panic::AssertUnwindSafe(future).catch_unwind().await.is_err()
}

#[test]
fn a_timeout_layer_outside_10_000_requests() {
    child::passes("memory::a_timeout_layer_outside_10_000_requests", || {
        for policy in POLICIES {
            for layer in both_on_drop(policy) {
                let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
                runtime.block_on(async {
                    let waits = sync_fn(|()| {
                        _ = try_await_in_fiber(tower_fiber::until_caller_gone());
                        tokio::task::yield_now().wait();
                        Ok::<_, Infallible>(())
                    });
                    let service = TimeoutLayer::new(Duration::from_secs(1)).layer(layer.layer(waits));
                    let begun = tokio::time::Instant::now();
                    for _ in 0..100 {
                        let mut calls = Vec::new();
                        for _ in 0..100 {
                            let mut call = Box::pin(service.clone().oneshot(()));
                            assert!(poll_once(&mut call).await.is_none());
                            calls.push(call);
                        }
                        for call in calls {
                            assert!(call.await.unwrap_err().is::<tower::timeout::error::Elapsed>());
                        }
                    }
                    assert!(begun.elapsed() < Duration::from_secs(110), "answered on time: {:?}", begun.elapsed());
                    layer.handle().drained().await;
                });
                let counters = layer.handle().counters();
                assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 0, 0));
            }
        }
    });
}
