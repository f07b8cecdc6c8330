//! Fibers inside fibers, and fibers whose lives do not end in stack order.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};
use tower::ServiceExt as _;
use tower_fiber::{FiberLayer, FiberService, Placement, WaitExt as _, in_fiber, run_in_fiber, run_local, sync_fn};

#[tokio::test]
async fn three_deep() {
    async fn leaf(n: u32) -> u32 {
        tokio::task::yield_now().await;
        n
    }
    let sum = run_in_fiber(|| {
        let one = leaf(1).wait();
        let rest = run_in_fiber(|| {
            let ten = leaf(10).wait();
            ten + run_in_fiber(|| leaf(100).wait() + leaf(1000).wait()).wait() + leaf(10_000).wait()
        });
        one + rest.wait() + leaf(100_000).wait()
    });
    assert_eq!(sum.await, 111_111);
}

#[tokio::test]
async fn a_layer_under_a_layer() {
    let inner = FiberService::new(sync_fn(|n: u32| {
        tokio::task::yield_now().wait();
        Ok::<_, Infallible>(n + 1)
    }));
    let outer = FiberService::new(sync_fn(move |n: u32| inner.clone().oneshot(n).wait().map(|n| n * 10)));
    assert_eq!(outer.oneshot(1).await, Ok(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_under_a_layer_on_the_pool_stays_on_its_worker() {
    let layer = FiberLayer::new();
    let inner = layer.clone();
    let (outer, inner) = layer
        .run(move || {
            let here = std::thread::current().id();
            (here, inner.run(|| std::thread::current().id()).wait())
        })
        .await;
    assert_eq!(outer, inner);
}

#[test]
fn lives_that_end_in_the_order_they_began() {
    let (first, second) = (oneshot::channel::<u32>(), oneshot::channel::<u32>());
    let mut one = task::spawn(run_local(|| first.1.wait().unwrap()));
    assert_pending!(one.poll());
    let mut two = task::spawn(run_local(|| second.1.wait().unwrap()));
    assert_pending!(two.poll());
    first.0.send(1).unwrap();
    assert_ready_eq!(one.poll(), 1);
    let mut three = task::spawn(run_local(|| 3));
    assert_ready_eq!(three.poll(), 3);
    second.0.send(2).unwrap();
    assert_ready_eq!(two.poll(), 2);
}

#[test]
fn a_fiber_polled_in_one_fiber_and_then_in_another() {
    let (send, receive) = oneshot::channel::<u32>();
    let mut moved = Box::pin(run_local(|| receive.wait().unwrap()));
    let mut outer = task::spawn(run_local(move || {
        let pending = async { futures_util::poll!(&mut moved).is_pending() }.wait();
        assert!(pending && in_fiber());
        moved
    }));
    let moved = assert_ready!(outer.poll());
    send.send(8).unwrap();
    let mut other = task::spawn(run_local(|| moved.wait()));
    assert_ready_eq!(other.poll(), 8);
}

#[test]
fn the_outer_fiber_is_current_again_after_a_panic_inside() {
    let mut outer = task::spawn(run_local(|| {
        let inner = run_local(|| panic!("inner"));
        let caught = catch_unwind(AssertUnwindSafe(|| inner.wait()));
        assert!(caught.is_err());
        assert!(in_fiber());
        async { 4 }.wait()
    }));
    assert_ready_eq!(outer.poll(), 4);
    assert!(!in_fiber());
}

/// A call in a fiber that a `LocalSet` has stays inside it, and shares its permit.
#[test]
fn a_call_inside_a_fiber_of_a_local_set() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let layer = FiberLayer::builder().placement(Placement::InPlace).max_fibers(1).build().unwrap();
    let inner = layer.clone();
    let call = layer.run(move || inner.run(|| async { 7 }.wait()).wait());
    let in_time = async { tokio::time::timeout(std::time::Duration::from_secs(60), call).await.expect("it hangs") };
    assert_eq!(tokio::task::LocalSet::new().block_on(&runtime, in_time), 7);
}
