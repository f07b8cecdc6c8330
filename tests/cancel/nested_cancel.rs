//! Fibers inside fibers, when the outermost is cancelled or leaked.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::sync::oneshot;
use tower_fiber::{FiberLayer, InFiber, OnDrop, Placement, WaitExt as _, run_local, try_await_in_fiber};

use crate::support::{both, poll_once, until};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Logs its name when it is dropped.
struct Named(&'static str, Log);

impl Drop for Named {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

fn layer(policy: OnDrop, pooled: bool) -> FiberLayer {
    let builder = FiberLayer::builder().on_drop(policy);
    if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap()
}

/// Three fibers, each waiting for the next, the innermost for what never comes.
fn three(layers: [&FiberLayer; 3], log: &Log) -> InFiber<()> {
    let [outer, middle, inner] = layers.map(FiberLayer::clone);
    let [one, two, three] = ["outermost", "middle", "innermost"].map(|name| Named(name, Arc::clone(log)));
    outer.run(move || {
        let _local = one;
        let waits = middle.run(move || {
            let _local = two;
            let waits = inner.run(move || {
                let _local = three;
                pending::<()>().wait();
            });
            waits.wait();
        });
        waits.wait();
    })
}

#[tokio::test]
async fn three_nested_fibers_unwind_innermost_first() {
    for pooled in [false, true] {
        let (layer, log) = (layer(OnDrop::Unwind, pooled), Log::default());
        let mut call = Box::pin(three([&layer; 3], &log));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 3).await;
        drop(call);
        layer.handle().drained().await;
        assert_eq!(*log.lock().unwrap(), ["innermost", "middle", "outermost"]);
        let counters = layer.handle().counters();
        assert_eq!((counters.cancelled, counters.leaked, counters.stacks_in_use), (3, 0, 0));
        assert_eq!(counters.handed_over, 1, "only the outermost lost its response future");
    }
}

#[test]
fn three_nested_local_fibers_unwind_innermost_first() {
    let log = Log::default();
    let [one, two, three] = ["outermost", "middle", "innermost"].map(|name| Named(name, Arc::clone(&log)));
    let mut call = tokio_test::task::spawn(run_local(move || {
        let _local = one;
        let waits = run_local(move || {
            let _local = two;
            let waits = run_local(move || {
                let _local = three;
                pending::<()>().wait();
            });
            waits.wait();
        });
        waits.wait();
    }));
    tokio_test::assert_pending!(call.poll());
    drop(call);
    assert_eq!(*log.lock().unwrap(), ["innermost", "middle", "outermost"]);
}

#[tokio::test]
async fn a_nested_fiber_of_a_finishing_layer_finishes() {
    let (unwinding, finishing) = (layer(OnDrop::Unwind, false), layer(OnDrop::Finish, false));
    let (inner, log) = (finishing.clone(), Log::default());
    let named = Named("outer", Arc::clone(&log));
    let (open, gate) = oneshot::channel::<()>();
    let (effect, effects) = oneshot::channel();
    let mut call = Box::pin(unwinding.run(move || {
        let _local = named;
        let waits = inner.run(move || {
            try_await_in_fiber(gate).expect("not cancelled with the fiber around it").unwrap();
            effect.send("effect").unwrap();
        });
        waits.wait();
    }));
    assert!(poll_once(&mut call).await.is_none());
    drop(call);
    unwinding.handle().drained().await;
    assert_eq!(*log.lock().unwrap(), ["outer"]);
    assert_eq!(finishing.handle().live(), 1);
    open.send(()).unwrap();
    assert_eq!(effects.await, Ok("effect"));
    finishing.handle().drained().await;
    assert_eq!(finishing.handle().counters().handed_over, 1);
}

#[tokio::test]
async fn a_cancel_reaches_a_nested_fiber_and_its_error_comes_back() {
    for layer in both(FiberLayer::builder().on_drop(OnDrop::Cancel)) {
        let inner = layer.clone();
        let (effect, effects) = oneshot::channel();
        let mut call = Box::pin(layer.run(move || {
            let below = inner.run(|| try_await_in_fiber(pending::<()>()).map_err(|error| error.to_string()));
            let inner = try_await_in_fiber(below);
            let later = try_await_in_fiber(async {});
            effect.send((inner.is_ok_and(|inner| inner.is_err()), later.is_err())).unwrap();
        }));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 2).await;
        drop(call);
        assert_eq!(effects.await, Ok((true, true)));
        layer.handle().drained().await;
        assert_eq!(layer.handle().counters().cancelled, 2);
    }
}

#[tokio::test]
async fn nested_fibers_that_their_future_does_not_poll_again_follow() {
    let layer = layer(OnDrop::Unwind, false);
    let (inner, log) = (layer.clone(), Log::default());
    let inside = Arc::clone(&log);
    let mut call = Box::pin(layer.run(move || {
        // Polls only those of its futures that were woken.
        let mut several = FuturesUnordered::new();
        for name in ["one", "two"] {
            let local = Named(name, Arc::clone(&inside));
            several.push(inner.run(move || {
                let _local = local;
                pending::<()>().wait();
            }));
        }
        several.next().wait();
    }));
    assert!(poll_once(&mut call).await.is_none());
    assert_eq!(layer.handle().live(), 3);
    drop(call);
    layer.handle().drained().await;
    let mut names = log.lock().unwrap().clone();
    names.sort_unstable();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(layer.handle().counters().leaked, 0);
}

#[tokio::test]
async fn whatever_lies_inside_a_leaked_fiber_is_counted_as_leaked() {
    let layers: [FiberLayer; 3] = std::array::from_fn(|_| layer(OnDrop::Finish, false));
    let log = Log::default();
    let (inside, logged) = (layers.clone(), Arc::clone(&log));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.spawn(three(inside.each_ref(), &logged));
        runtime.block_on(async { until(|| inside.iter().all(|layer| layer.handle().live() == 1)).await });
    })
    .join()
    .unwrap();
    for layer in &layers {
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 1, 1));
        layer.handle().drained().now_or_never().expect("nothing is in flight");
    }
    assert!(log.lock().unwrap().is_empty(), "nothing was unwound");
}

#[tokio::test]
async fn a_parked_service_inside_a_leaked_fiber_is_counted_as_leaked() {
    use tower::{Layer as _, ServiceExt as _, service_fn};

    let (outer, inner) = (layer(OnDrop::Finish, false), layer(OnDrop::Finish, false));
    let (leaking, parked) = (outer.clone(), inner.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = leaking.handle();
        let service = parked.layer(service_fn(|()| pending::<Result<(), std::convert::Infallible>>()));
        runtime.spawn(leaking.run(move || service.oneshot(()).wait().unwrap()));
        runtime.block_on(async { until(|| handle.live() == 1).await });
    })
    .join()
    .unwrap();
    for layer in [&outer, &inner] {
        assert_eq!(layer.handle().counters().leaked, 1);
        layer.handle().drained().now_or_never().expect("nothing is in flight");
    }
}

#[test]
fn a_fiber_inside_a_leaked_parked_service_is_counted_as_leaked() {
    use tower::{Layer as _, ServiceExt as _};

    let (outer, inner) = (layer(OnDrop::Finish, false), layer(OnDrop::Finish, false));
    let waits = tower_fiber::sync_fn(|()| {
        pending::<()>().wait();
        Ok::<_, std::convert::Infallible>(())
    });
    // The outer service is async: while the inner fiber waits it has no synchronous code of its own.
    let service = outer.layer(inner.layer(waits));
    let handle = inner.handle();
    let runtime = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.spawn(service.oneshot(()));
        runtime.block_on(async { until(|| handle.live() == 1).await });
        runtime
    })
    .join()
    .unwrap();
    assert_eq!((outer.handle().live(), inner.handle().live()), (0, 1));
    drop(runtime);
    for layer in [&outer, &inner] {
        assert_eq!(layer.handle().counters().leaked, 1);
        layer.handle().drained().now_or_never().expect("nothing is in flight");
    }
    assert_eq!(inner.handle().live(), 0);
}

/// A fiber that is begun inside another one, which is leaked later, but is taken out of it and awaited elsewhere. Gives
/// the counters of its layer.
fn taken_out_of_a_leaked_fiber(polled_before_the_leak: bool) -> tower_fiber::Counters {
    let (outer, inner) = (layer(OnDrop::Finish, false), layer(OnDrop::Finish, false));
    let (begun, taken) = std::sync::mpsc::channel();
    let (open, gate) = oneshot::channel::<u32>();
    let first = inner.run(|| gate.wait().unwrap());
    let new_runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let runtime = new_runtime();
    runtime.spawn(outer.run(move || {
        let mut first = Box::pin(first);
        assert!(poll_once(&mut first).now_or_never().flatten().is_none());
        begun.send(first).unwrap();
        pending::<()>().wait();
    }));
    runtime.block_on(async { until(|| inner.handle().live() == 1).await });
    let mut first = taken.recv().unwrap();
    if polled_before_the_leak {
        runtime.block_on(async { assert!(poll_once(&mut first).await.is_none()) });
    }
    drop(runtime);
    assert_eq!(outer.handle().counters().leaked, 1);
    open.send(8).unwrap();
    assert_eq!(new_runtime().block_on(first), 8);
    inner.handle().drained().now_or_never().expect("nothing is in flight");
    inner.handle().counters()
}

#[test]
fn a_fiber_that_left_a_fiber_is_not_counted_with_it() {
    let counters = taken_out_of_a_leaked_fiber(true);
    assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 0, 0));
}

#[test]
fn a_fiber_that_seemed_leaked_with_another_and_goes_on_is_counted_once() {
    let counters = taken_out_of_a_leaked_fiber(false);
    assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 1, 0));
}
