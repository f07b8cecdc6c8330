//! Layers with a limit, and whether it was kept.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::Semaphore, task::yield_now};
use tower::{BoxError, Service, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_fiber::{FiberLayer, Placement, WaitExt as _, in_fiber};

use crate::support::{on_each_runtime, until};

pub(crate) type Any = BoxCloneSyncService<u32, u32, BoxError>;

pub(crate) fn any<S>(service: S) -> Any
where
    S: Service<u32, Response = u32, Error: Into<BoxError>, Future: Send + 'static> + Clone + Send + Sync + 'static,
{
    Any::new(service.map_err(Into::into))
}

/// A layer with a limit, and the most of its fibers that were seen at once.
#[derive(Clone)]
pub(crate) struct Limited {
    pub(crate) layer: FiberLayer,
    max: u64,
    most: Arc<AtomicU64>,
}

impl Limited {
    pub(crate) fn new(max: usize, placement: Placement) -> Self {
        let layer = FiberLayer::builder().max_fibers(max).placement(placement).build().unwrap();
        Self { layer, max: max as u64, most: Arc::default() }
    }

    pub(crate) fn look(&self) {
        self.most.fetch_max(self.layer.handle().live(), Ordering::Relaxed);
    }

    /// An async service that reaches synchronous code which waits, between other waits.
    pub(crate) fn service(&self) -> Any {
        let limited = self.clone();
        any(service_fn(move |n: u32| {
            let limited = limited.clone();
            async move {
                yield_now().await;
                limited.synchronous();
                yield_now().await;
                limited.synchronous();
                yield_now().await;
                Ok::<_, Infallible>(n)
            }
        }))
    }

    pub(crate) fn synchronous(&self) {
        assert!(in_fiber());
        for _ in 0..3 {
            self.look();
            yield_now().wait();
        }
    }

    /// Makes so many calls at once, which all end.
    pub(crate) async fn all_end(&self, service: Any, calls: u32) {
        self.all_end_inside(service, calls, 1).await;
    }

    /// As [`all_end`](Self::all_end), where so many of each call's fibers are of this layer, each inside the one
    /// before.
    pub(crate) async fn all_end_inside(&self, service: Any, calls: u32, depth: u64) {
        let calls: Vec<_> = (0..calls).map(|n| (n, tokio::spawn(service.clone().oneshot(n)))).collect();
        for (n, call) in calls {
            assert_eq!(call.await.unwrap().unwrap(), n);
        }
        drop(service);
        self.assert_bound(depth).await;
    }

    pub(crate) async fn assert_bound(&self, depth: u64) {
        let most = self.most.load(Ordering::Relaxed);
        assert!((1..=self.max * depth).contains(&most), "{most} of {}", self.max * depth);
        let handle = self.layer.handle();
        handle.drained().await;
        assert_eq!((handle.counters().leaked, handle.counters().refused_waits), (0, 0));
        // All permits are there again.
        let gate = Arc::new(Semaphore::new(0));
        let hold = || {
            let gate = Arc::clone(&gate);
            tokio::spawn(self.layer.run(move || gate.acquire().wait().unwrap().forget()))
        };
        let held: Vec<_> = (0..self.max).map(|_| hold()).collect();
        until(|| handle.live() == self.max).await;
        gate.add_permits(held.len());
        for call in held {
            call.await.unwrap();
        }
    }
}

/// On each runtime, in place by default and on the pool.
pub(crate) fn each<F: Future<Output = ()> + 'static>(max: usize, test: impl Fn(Limited) -> F + Copy + 'static) {
    on_each_runtime(move || async move {
        for placement in [Placement::Auto, Placement::SharedPool] {
            test(Limited::new(max, placement)).await;
        }
    });
}
