//! Runs a scenario with the layer and without.

use std::{
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex},
};

use axum::Router;
use tokio::task_local;
use tower::{Layer as _, Service, util::BoxCloneSyncService};
use tower_fiber::{Counters, FiberLayer, Hook, OnDrop, Placement};

use crate::support::{on_each_runtime, poll_once, until};

/// What is around a service: nothing, a layer, or a layer inside another.
#[derive(Clone)]
pub(crate) struct Around {
    name: &'static str,
    layers: Vec<FiberLayer>,
}

/// A service of one type, whatever is around it.
pub(crate) type Any<Request, Response, Error> = BoxCloneSyncService<Request, Response, Error>;

task_local! {
    static CARRIED: u32;
}

/// It looks on.
struct Looks;

impl Hook for Looks {
    type State = ();

    fn on_call(&self) {}

    fn on_suspend(&self, (): &mut ()) {}

    fn on_resume(&self, (): &mut ()) {}
}

impl Around {
    pub(crate) fn nothing() -> Self {
        Self { name: "nothing", layers: Vec::new() }
    }

    fn layers() -> [Self; 4] {
        let all_settings = FiberLayer::builder().name("side by side").max_fibers(50).carry(&CARRIED).hook(Looks);
        let all_settings = all_settings.on_drop(OnDrop::Unwind).build().unwrap();
        let pooled = FiberLayer::new().placement(Placement::SharedPool);
        [
            Self { name: "a layer", layers: vec![FiberLayer::new()] },
            Self { name: "a layer on the pool", layers: vec![pooled] },
            Self { name: "a layer with settings", layers: vec![all_settings] },
            Self { name: "two layers", layers: vec![FiberLayer::new(), FiberLayer::new()] },
        ]
    }

    /// How many layers there are.
    pub(crate) fn depth(&self) -> usize {
        self.layers.len()
    }

    async fn assert_empty(&self) {
        for layer in &self.layers {
            let handle = layer.handle();
            handle.drained().await;
            // A call that was given up on the pool was told so, and ended where it ran.
            until(|| handle.counters().stacks_in_use == 0).await;
            let Counters { live, leaked, refused_waits, .. } = handle.counters();
            assert_eq!((live, leaked, refused_waits), (0, 0, 0), "{}", self.name);
        }
    }
}

impl Around {
    /// `service`, with this around it.
    pub(crate) fn around<S, Request>(&self, service: S) -> Any<Request, S::Response, S::Error>
    where
        S: Service<Request, Response: Send + 'static, Error: Send + 'static, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
        Request: Send + 'static,
    {
        let service = Any::new(service);
        self.layers.iter().fold(service, |service, layer| Any::new(layer.layer(service)))
    }

    /// This around each route.
    pub(crate) fn on_routes(&self, router: Router) -> Router {
        self.layers.iter().fold(router, |router, layer| router.layer(layer.clone()))
    }
}

/// What was seen, in order.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn note(&self, what: impl Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.count(what) > 0
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|seen| *seen == what).count()
    }

    pub(crate) fn count_starting(&self, with: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|seen| seen.starts_with(with)).count()
    }

    /// For what has no order.
    pub(crate) fn sort(&self) {
        self.0.lock().unwrap().sort();
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Notes what it is that is dropped, when it is.
    pub(crate) fn drop_of(&self, what: impl Display) -> DropNote {
        DropNote { seen: self.clone(), what: format!("drop of {what}") }
    }
}

pub(crate) struct DropNote {
    seen: Seen,
    what: String,
}

impl Drop for DropNote {
    fn drop(&mut self) {
        self.seen.note(&self.what);
    }
}

/// Runs a scenario with each kind of layer on each runtime. What it sees must be what it sees without.
pub(crate) fn same<F: Future<Output = ()> + 'static>(scenario: impl Fn(Around, Seen) -> F + Copy + 'static) {
    compare(scenario, |without, _| without);
}

/// As [`same`], where what is seen with so many layers follows from what is seen without.
pub(crate) fn compare<F: Future<Output = ()> + 'static>(
    scenario: impl Fn(Around, Seen) -> F + Copy + 'static,
    expected: impl Fn(Vec<String>, usize) -> Vec<String> + Copy + 'static,
) {
    on_each_runtime(move || async move {
        let see = async |around: &Around| {
            let seen = Seen::default();
            scenario(around.clone(), seen.clone()).await;
            around.assert_empty().await;
            seen.all()
        };
        let without = see(&Around::nothing()).await;
        assert!(!without.is_empty(), "the scenario has seen nothing");
        for around in Around::layers() {
            let with = see(&around).await;
            assert_eq!(with, expected(without.clone(), around.depth()), "with {}", around.name);
        }
    });
}

/// Polls a call until `condition` holds; it is pending.
pub(crate) async fn begin<F: Future + Unpin>(call: &mut F, condition: impl Fn() -> bool) {
    assert!(poll_once(call).await.is_none(), "it has ended");
    until(condition).await;
    assert!(poll_once(call).await.is_none(), "it has ended");
}
