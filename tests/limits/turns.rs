//! Who waits for whom.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::future::join_all;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
    task::yield_now,
};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_fiber::{FiberLayer, FiberPool, Placement, WaitExt as _};

use crate::{
    harness::{Limited, any, each},
    support::{on_each_runtime, poll_once},
};

#[test]
fn readiness_that_is_not_used_keeps_nobody_out() {
    each(1, |limited| async move {
        let service = any(limited.layer.layer(limited.service()));
        let mut holders = [service.clone(), service.clone(), service.clone()];
        for holder in &mut holders {
            holder.ready().await.unwrap();
        }
        limited.all_end(service, 5).await;
        // And it still counts.
        for (n, mut holder) in (0..).zip(holders) {
            assert_eq!(holder.call(n).await.unwrap(), n);
        }
    });
}

#[test]
fn a_call_that_is_not_polled_keeps_nobody_out() {
    each(1, |limited| async move {
        let mut service = any(limited.layer.layer(limited.service()));
        let waits = service.ready().await.unwrap().call(7);
        limited.all_end(service, 5).await;
        assert_eq!(waits.await.unwrap(), 7);
    });
}

/// Its readiness is never there.
#[derive(Clone)]
struct NeverReady;

impl Service<u32> for NeverReady {
    type Response = u32;
    type Error = Infallible;
    type Future = std::future::Pending<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: u32) -> Self::Future {
        std::future::pending()
    }
}

#[test]
fn services_that_are_never_ready_keep_nobody_out() {
    each(1, |limited| async move {
        let mut never: Vec<_> = (0..3).map(|n| Box::pin(limited.layer.layer(NeverReady).oneshot(n))).collect();
        for call in &mut never {
            assert!(poll_once(call).await.is_none());
        }
        limited.all_end(any(limited.layer.layer(limited.service())), 5).await;
    });
}

type Gate = Option<oneshot::Receiver<()>>;

/// Waits for the first gate in an async service, and for the second in synchronous code below it.
fn gated(limited: &Limited, order: &Arc<Mutex<Vec<&'static str>>>, name: &'static str, gates: [Gate; 2]) -> Call {
    let (looks, order) = (limited.clone(), Arc::clone(order));
    let service = service_fn(move |[parked, held]: [Gate; 2]| {
        let (looks, order) = (looks.clone(), Arc::clone(&order));
        async move {
            if let Some(gate) = parked {
                gate.await.unwrap();
            }
            order.lock().unwrap().push(name);
            looks.look();
            if let Some(gate) = held {
                gate.wait().unwrap();
            }
            Ok::<_, Infallible>(())
        }
    });
    Box::pin(limited.layer.layer(service).oneshot(gates))
}

type Call = Pin<Box<dyn Future<Output = Result<(), Infallible>>>>;

/// A call that is pending without a fiber goes on before those that have not begun.
#[test]
fn a_call_in_flight_goes_before_new_ones() {
    on_each_runtime(|| async {
        let pool = FiberPool::builder().worker_threads(1).build().unwrap();
        the_order_of_calls(Placement::Pool(pool)).await;
        // Elsewhere that is the shared pool, where the order depends on which worker is faster.
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            the_order_of_calls(Placement::Auto).await;
        }
    });
}

async fn the_order_of_calls(placement: Placement) {
    let limited = Limited::new(1, placement.clone());
    let beside = FiberLayer::builder().placement(placement).build().unwrap();
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (goes_on, parked) = oneshot::channel();
    let (lets_go, held) = oneshot::channel();
    let mut first = gated(&limited, &order, "parked", [Some(parked), None]);
    assert!(poll_once(&mut first).await.is_none());
    let mut second = gated(&limited, &order, "holds", [None, Some(held)]);
    // On the pool the first has a permit until it has been polled there.
    while order.lock().unwrap().is_empty() {
        assert!(poll_once(&mut second).await.is_none());
        yield_now().await;
    }
    let mut third = gated(&limited, &order, "new", [None, None]);
    assert!(poll_once(&mut third).await.is_none());
    goes_on.send(()).unwrap();
    assert!(poll_once(&mut first).await.is_none());
    // On the pool it stands in line once the only worker has run it: before the second of two calls that begin now.
    for _ in 0..2 {
        beside.run(|| ()).await;
    }
    lets_go.send(()).unwrap();
    assert!(join_all([first, second, third]).await.into_iter().all(|call| call.is_ok()));
    assert_eq!(*order.lock().unwrap(), ["holds", "parked", "new"]);
    limited.assert_bound(1).await;
}
