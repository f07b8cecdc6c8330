//! A hundred thousand requests, 500 at a time on one thread or on the pool, each with a span, a carried task-local, a
//! fiber-local and a hook's context, through `TraceLayer` outside and inside the layer: none ever sees another's.

mod observer;

use std::{
    cell::Cell,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use tokio::{runtime::Builder, task::yield_now};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_fiber::{FiberLayer, FiberPool, Hook, WaitExt as _, fiber_local, sync_fn};
use tower_http::trace::TraceLayer;
use tracing::{Span, info, info_span};

use crate::{child, support::until};
use observer::Observer;

const REQUESTS: u64 = 100_000;
const AT_ONCE: usize = 500;

tokio::task_local!(static REQUEST: u64);
fiber_local!(static LOCAL: Cell<u64> = Cell::new(0));
thread_local!(static CURRENT: Cell<u64> = const { Cell::new(0) });

/// The number of the request in `CURRENT`.
#[derive(Clone, Copy)]
struct Current;

impl Hook for Current {
    type State = u64;

    fn on_call(&self) -> u64 {
        CURRENT.get()
    }

    fn on_resume(&self, state: &mut u64) {
        *state = CURRENT.replace(*state);
    }

    fn on_suspend(&self, state: &mut u64) {
        *state = CURRENT.replace(*state);
    }
}

/// What belongs to this request, wherever it is kept.
fn assert_own(id: u64) {
    assert_eq!((REQUEST.get(), LOCAL.with(Cell::get), CURRENT.get()), (id, id, id));
    // The observer compares it with the span's.
    info!(id);
}

/// A handler of plain functions that waits here and there.
fn handler(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let id: u64 = request.uri().path()[1..].parse().unwrap();
    assert_eq!(CURRENT.get(), id, "the caller's");
    LOCAL.with(|local| local.set(id));
    assert_own(id);
    let mut dice = id;
    for _ in 0..id % 4 {
        // A step of a linear generator is random enough.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match dice >> 62 {
            0 => yield_now().wait(),
            1 => tokio::spawn(yield_now()).wait().unwrap(),
            2 => {
                let _guard = info_span!("query", id).entered();
                yield_now().wait();
                assert_own(id);
            }
            _ => info_span!("query", id).in_scope(|| {
                let _again = Span::current().entered();
                yield_now().wait();
                assert_own(id);
            }),
        }
        assert_own(id);
    }
    Ok(Response::new(Body::empty()))
}

fn span(request: &Request<Body>) -> Span {
    info_span!("request", id = request.uri().path()[1..].parse::<u64>().unwrap())
}

/// What a hook finds at the first poll, as a tracing layer outside sets it.
async fn in_context<F: Future>(id: u64, call: F) -> F::Output {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|cx| {
        let former = CURRENT.replace(id);
        let poll = call.as_mut().poll(cx);
        CURRENT.set(former);
        poll
    })
    .await
}

async fn serve(layer: FiberLayer, observer: &Observer) {
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(layer.clone())
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .service(sync_fn(handler));
    let answered = Arc::new(AtomicU64::new(0));
    let calls = (1..=REQUESTS).map(|id| {
        let (service, answered) = (service.clone(), Arc::clone(&answered));
        let request = Request::builder().uri(format!("/{id}")).body(Body::empty()).unwrap();
        let call = REQUEST.scope(id, in_context(id, service.oneshot(request)));
        // As in a server, each in a task of its own.
        async move {
            tokio::spawn(call).await.unwrap().unwrap();
            assert_eq!(observer.mismatches(), 0, "events in spans of other requests");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    stream::iter(calls).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
    assert_eq!(answered.load(Ordering::Relaxed), REQUESTS);
    until(|| layer.handle().live() == 0).await;
    assert_eq!(layer.handle().counters(), Default::default());
    assert!(Span::current().is_none());
    let left = layer.run(|| (Span::current().is_none(), CURRENT.get(), REQUEST.try_with(|id| *id).is_err()));
    assert_eq!(left.await, (true, 0, true));
}

#[test]
fn none_sees_anothers() {
    // The observer is the whole process's.
    child::passes("interleaving::none_sees_anothers", || {
        let observer = Observer::install();
        let layer = FiberLayer::builder().carry(&REQUEST).hook(Current);
        let one_thread = Builder::new_current_thread().enable_all().build().unwrap();
        one_thread.block_on(serve(layer.clone().build().unwrap(), observer));
        let seen = observer.events();
        assert!(seen >= 2 * REQUESTS, "{seen} events were looked at");

        let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let pool = FiberPool::builder().worker_threads(2).build().unwrap();
        threads.block_on(serve(layer.placement(pool).build().unwrap(), observer));
        assert_eq!(observer.events(), 2 * seen);
    });
}
