//! No stack can be had: calls wait, the rest of the process does not notice, and everything goes on when stacks come
//! back. Each case is a process of its own, with a limit.

use std::{convert::Infallible, fs, pin::Pin, sync::mpsc, thread, time::Duration};

use tokio::{runtime::Builder, sync::oneshot};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, load_shed::error::Overloaded};
use tower_fiber::{FiberLayer, InFiber, WaitExt as _, run_in_fiber, sync_fn};
use tower_test::mock::Spawn;

#[cfg(feature = "tracing")]
use crate::events;
use crate::{
    child,
    support::{both, poll_once, skipped_without_own_stacks, until},
    system::{self, PROTECTED},
};

/// Room for some hundred stacks of 2 MiB.
const ADDRESSES: &str = "ulimit -v 1500000 || exit 99";

type Waiting = (oneshot::Sender<()>, Pin<Box<InFiber<()>>>);

fn layers() -> [FiberLayer; 2] {
    both(FiberLayer::builder().name("orders"))
}

/// Begins calls that wait, until one has no stack; gives that one last.
async fn exhaust(layer: &FiberLayer) -> Vec<Waiting> {
    let (mut calls, others) = (Vec::new(), layer.handle().live());
    let begun = || (layer.handle().live() - others) as usize;
    loop {
        let (open, gate) = oneshot::channel();
        let mut call = Box::pin(layer.run(move || gate.wait().unwrap()));
        assert!(poll_once(&mut call).await.is_none());
        calls.push((open, call));
        // On the pool it takes a while until it has begun or found no stack.
        until(|| begun() == calls.len() || is_short(layer)).await;
        if is_short(layer) {
            assert_eq!(begun() + 1, calls.len());
            return calls;
        }
        assert!(calls.len() < 50_000, "there seems to be no limit");
    }
}

/// Whether a service says so.
fn is_short(layer: &FiberLayer) -> bool {
    Spawn::new(layer.layer(sync_fn(|()| Ok::<_, Infallible>(())))).poll_ready::<()>().is_pending()
}

/// Opens all gates; every call must end.
async fn finish(calls: Vec<Waiting>) {
    let mut ends = Vec::new();
    for (open, call) in calls {
        open.send(()).unwrap();
        ends.push(call);
    }
    for call in ends {
        call.await;
    }
}

/// A call that is never woken fails.
fn block_on<R>(future: impl Future<Output = R>) -> R {
    let in_time = async { tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs") };
    Builder::new_current_thread().enable_all().build().unwrap().block_on(in_time)
}

/// `poll_ready` is pending, is woken by a fiber's end, and the next call works. Twice.
fn waits_and_recovers() {
    for layer in layers() {
        for _ in 0..2 {
            block_on(async {
                let mut calls = exhaust(&layer).await;
                assert!(calls.len() > 100, "{}", calls.len());
                let mut service = Spawn::new(layer.layer(sync_fn(|n: u32| Ok::<_, Infallible>(async { n }.wait()))));
                assert!(service.poll_ready::<u32>().is_pending());
                // The call that waited first goes on first, then the service.
                let (open, call) = calls.remove(0);
                open.send(()).unwrap();
                call.await;
                let (open, call) = calls.pop().unwrap();
                open.send(()).unwrap();
                call.await;
                until(|| service.is_woken()).await;
                assert!(service.poll_ready::<u32>().is_ready());
                assert_eq!(service.call(7).await, Ok(7));
                finish(calls).await;
                layer.handle().drained().await;
                assert!(!is_short(&layer));
                assert_eq!(layer.handle().counters(), Default::default());
            });
        }
    }
}

#[test]
fn address_space_limit_is_pending_and_then_recovery() {
    child::passes_under(
        "shortage::address_space_limit_is_pending_and_then_recovery",
        ADDRESSES,
        &[],
        waits_and_recovers,
    );
}

#[test]
fn address_space_limit_leaves_room_for_the_rest_of_the_process() {
    if skipped_without_own_stacks() {
        return;
    }
    child::passes_under(
        "shortage::address_space_limit_leaves_room_for_the_rest_of_the_process",
        ADDRESSES,
        &[],
        || {
            block_on(async {
                let [layer, _] = layers();
                let calls = exhaust(&layer).await;
                the_rest_of_the_process_works(8 << 20);
                finish(calls).await;
            });
        },
    );
}

/// Allocations, threads and files.
fn the_rest_of_the_process_works(bytes: usize) {
    let blocks: Vec<_> = (0..4_u8).map(|n| vec![n; bytes / 4]).collect();
    let sum = thread::spawn(move || blocks.iter().map(|block| usize::from(block[7])).sum::<usize>()).join();
    assert_eq!(sum.unwrap(), 6);
    assert!(!fs::read_to_string("/proc/self/maps").unwrap().is_empty());
}

#[test]
fn mprotect_guards_are_capped_back_pressure() {
    if skipped_without_own_stacks() {
        return;
    }
    child::passes_under("shortage::mprotect_guards_are_capped_back_pressure", "", &[PROTECTED], || {
        let most: usize = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap();
        block_on(async {
            #[cfg(feature = "tracing")]
            let warnings = events::Warnings::default();
            #[cfg(feature = "tracing")]
            let _default = tracing::subscriber::set_default(warnings.clone());
            let layer = FiberLayer::builder().name("orders").stack_size(64 * 1024).build().unwrap();
            for _ in 0..2 {
                let mut calls = exhaust(&layer).await;
                let mut more: Vec<_> = (0..3).map(|_| Box::pin(layer.run(|| async { 1 }.wait()))).collect();
                for call in &mut more {
                    assert!(poll_once(call).await.is_none());
                }
                let live = layer.handle().live() as usize;
                assert!((most / 6..=most / 5).contains(&live) && live + 1 == calls.len(), "{live} of {most}");
                let mappings = system::mappings();
                assert!(mappings < most / 2, "{mappings} of {most}");
                the_rest_of_the_process_works(64 << 20);
                #[cfg(feature = "tracing")]
                {
                    let said = warnings.take();
                    assert!(said.len() == 1 && said[0].contains("vm.max_map_count"), "one warning: {said:?}");
                    assert!(said[0].contains("orders"), "{said:?}");
                }
                // In order: the one that waits longest goes on when one ends.
                let (open, call) = calls.remove(0);
                open.send(()).unwrap();
                call.await;
                let (open, mut first) = calls.pop().unwrap();
                assert!(poll_once(&mut first).await.is_none());
                assert_eq!(layer.handle().live() as usize, live);
                assert!(poll_once(&mut more[0]).await.is_none());
                open.send(()).unwrap();
                first.await;
                for call in more {
                    assert_eq!(call.await, 1);
                }
                finish(calls).await;
                assert!(!is_short(&layer));
                assert_eq!(layer.handle().counters(), Default::default());
                #[cfg(feature = "tracing")]
                assert_eq!(warnings.take(), [""; 0]);
            }
        });
    });
}

#[test]
fn mprotect_guards_of_idle_stacks_go_to_other_sizes() {
    child::passes_under("shortage::mprotect_guards_of_idle_stacks_go_to_other_sizes", "", &[PROTECTED], || {
        block_on(async {
            let small = FiberLayer::builder().stack_size(64 * 1024).build().unwrap();
            let large = FiberLayer::builder().stack_size(128 * 1024).build().unwrap();
            for layer in [&small, &large, &small] {
                let calls = exhaust(layer).await;
                assert!(calls.len() > 5000, "{}", calls.len());
                // A fiber of another size waits for one of these.
                let other = if std::ptr::eq(layer, &large) { &small } else { &large };
                let mut waits = Box::pin(other.run(|| 5));
                assert!(poll_once(&mut waits).await.is_none());
                finish(calls).await;
                assert_eq!(waits.await, 5);
            }
        });
    });
}

#[test]
fn fibers_inside_fibers_have_a_reserve() {
    if skipped_without_own_stacks() {
        return;
    }
    child::passes_under("shortage::fibers_inside_fibers_have_a_reserve", "", &[PROTECTED], || {
        block_on(async {
            let layer = FiberLayer::builder().stack_size(64 * 1024).build().unwrap();
            let (open, gate) = oneshot::channel::<()>();
            let mut outer = Box::pin(layer.run(move || {
                gate.wait().unwrap();
                run_in_fiber(|| tokio::task::yield_now().wait()).wait();
                3
            }));
            assert!(poll_once(&mut outer).await.is_none());
            let calls = exhaust(&layer).await;
            open.send(()).unwrap();
            assert_eq!(outer.await, 3);
            finish(calls).await;
        });
    });
}

#[test]
fn shortage_with_load_shed_directly_outside_is_an_error() {
    child::passes_under("shortage::shortage_with_load_shed_directly_outside_is_an_error", ADDRESSES, &[], || {
        block_on(async {
            let [layer, _] = layers();
            let calls = exhaust(&layer).await;
            let inner = sync_fn(|()| Ok::<_, Infallible>(()));
            let service = ServiceBuilder::new().load_shed().layer(layer).service(inner);
            let refused = service.clone().oneshot(()).await.unwrap_err();
            assert!(refused.is::<Overloaded>(), "{refused}");
            finish(calls).await;
            service.oneshot(()).await.unwrap();
        });
    });
}

#[test]
fn idle_stacks_of_another_thread_go_to_where_there_are_none() {
    child::passes_under("shortage::idle_stacks_of_another_thread_go_to_where_there_are_none", ADDRESSES, &[], || {
        let [layer, _] = layers();
        let all = || {
            block_on(async {
                let calls = exhaust(&layer).await;
                let count = calls.len();
                finish(calls).await;
                count
            })
        };
        thread::scope(|scope| {
            let (ended, is_over) = mpsc::channel();
            let (end, is_due) = mpsc::channel::<()>();
            scope.spawn(move || {
                ended.send(all()).unwrap();
                // It keeps its idle stacks while it lives.
                _ = is_due.recv();
            });
            let count = is_over.recv().unwrap();
            let here = all();
            assert!(here > count * 3 / 4, "{count} there, {here} here");
            drop(end);
        });
    });
}
