//! `Buffer` and `SpawnReady`, which own a service in a task, around the layer and inside of it.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use futures_util::{StreamExt as _, future::join_all, stream};
use tokio::sync::Semaphore;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, buffer::Buffer, spawn_ready::SpawnReady};

use crate::{
    harness::{Any, Around, Seen, begin, same},
    probe::{Answer, Ask, Fate, Probe, Refused, ask},
    support::{poll_once, until},
};

type Buffered = Any<Ask, Answer, BoxError>;

fn outside(around: &Around, seen: &Seen, bound: usize) -> Buffered {
    Any::new(Buffer::new(around.around(Probe::new(seen)), bound))
}

fn inside(around: &Around, seen: &Seen, bound: usize) -> Buffered {
    around.around(Buffer::new(Probe::new(seen), bound))
}

async fn all_end(service: Buffered, seen: Seen) {
    let calls: Vec<_> = (0..30)
        .map(|n| {
            let fate = [Fate::Answer, Fate::Later, Fate::Error][n % 3].clone();
            tokio::spawn(service.clone().oneshot(ask(&seen, &n.to_string(), fate)))
        })
        .collect();
    for call in join_all(calls).await {
        match call.unwrap() {
            Ok(answer) => seen.note(format_args!("answer to {}", answer.name)),
            Err(error) => seen.note(error),
        }
    }
    // Futures of `Buffer` are polled by their callers.
    seen.sort();
}

#[test]
fn all_calls_end() {
    same(|around, seen| all_end(outside(&around, &seen, 3), seen));
    same(|around, seen| all_end(inside(&around, &seen, 3), seen));
}

#[test]
fn a_buffer_of_what_is_limited() {
    same(|around, seen| {
        let limited = ServiceBuilder::new().concurrency_limit(1).service(around.around(Probe::new(&seen)));
        all_end(Any::new(Buffer::new(limited, 2)), seen)
    });
    same(|around, seen| {
        let limited = ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        all_end(Any::new(Buffer::new(around.around(limited), 2)), seen)
    });
    same(|around, seen| {
        let limited = ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        all_end(around.around(Buffer::new(limited, 2)), seen)
    });
}

async fn caller_goes(service: Buffered, seen: Seen) {
    let mut first = Box::pin(service.clone().oneshot(ask(&seen, "a", Fate::Never)));
    assert!(poll_once(&mut first).await.is_none());
    // The worker calls the service meanwhile.
    begin_and_drop(first, &seen).await;
    seen.note(service.oneshot(ask(&seen, "b", Fate::Answer)).await.unwrap().name);
    seen.sort();
}

async fn begin_and_drop(mut call: impl Future<Output = Result<Answer, BoxError>> + Unpin, seen: &Seen) {
    while !seen.has("call of a") {
        assert!(poll_once(&mut call).await.is_none());
        tokio::task::yield_now().await;
    }
    drop(call);
    until(|| seen.has("drop of future of a")).await;
}

#[test]
fn a_caller_that_goes() {
    same(|around, seen| caller_goes(outside(&around, &seen, 3), seen));
    same(|around, seen| caller_goes(inside(&around, &seen, 3), seen));
}

/// Ready once; then its readiness fails.
#[derive(Clone)]
struct Fails(Arc<Mutex<u32>>);

impl Service<()> for Fails {
    type Response = ();
    type Error = Refused;
    type Future = Ready<Result<(), Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        match std::mem::replace(&mut *self.0.lock().unwrap(), 1) {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(Refused("it has failed".to_owned()))),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[test]
fn a_service_that_fails_is_failed_for_all() {
    async fn fails(service: Any<(), (), BoxError>, seen: Seen) {
        for _ in 0..3 {
            match service.clone().oneshot(()).await {
                Ok(()) => seen.note("ok"),
                Err(error) => seen.note(error),
            }
        }
    }
    same(|around, seen| fails(Any::new(Buffer::new(around.around(Fails(Arc::default())), 3)), seen));
    same(|around, seen| fails(around.around(Buffer::new(Fails(Arc::default()), 3)), seen));
}

/// Ready when it is told so.
#[derive(Clone)]
struct Told {
    state: Arc<Mutex<(bool, Vec<Waker>)>>,
    seen: Seen,
}

impl Told {
    fn new(seen: &Seen) -> Self {
        Self { state: Arc::default(), seen: seen.clone() }
    }

    fn tell(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        state.1.drain(..).for_each(Waker::wake);
    }
}

impl Service<u32> for Told {
    type Response = u32;
    type Error = Refused;
    type Future = Ready<Result<u32, Refused>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        let (is_ready, wakers) = &mut *self.state.lock().unwrap();
        if *is_ready {
            return Poll::Ready(Ok(()));
        }
        self.seen.note("asked too early");
        wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, n: u32) -> Self::Future {
        self.seen.note("called");
        ready(Ok(n + 1))
    }
}

#[test]
fn readiness_is_driven_by_a_task() {
    async fn driven<S>(mut service: S, told: Told)
    where
        S: Service<u32, Response = u32, Error = BoxError>,
    {
        let seen = &told.seen;
        let mut call = Box::pin(async { service.ready().await?.call(0).await });
        // By the caller that waits, and by the task that goes on asking.
        begin(&mut call, || seen.count("asked too early") == 2).await;
        told.tell();
        seen.note(call.await.unwrap());
        for n in 1..4 {
            seen.note(service.ready().await.unwrap().call(n).await.unwrap());
        }
    }
    same(|around, seen| {
        let told = Told::new(&seen);
        driven(SpawnReady::new(around.around(told.clone())), told)
    });
    // It cannot be cloned.
    same(|around, seen| {
        let told = Told::new(&seen);
        driven(around.around(Buffer::new(SpawnReady::new(told.clone()), 1)), told)
    });
}

#[test]
fn a_stream_of_calls() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let asks: Vec<_> = (0..10).map(|n| probe.ask(&n.to_string(), Fate::Later)).collect();
        let mut answers = around.around(probe).call_all(stream::iter(asks));
        while let Some(answer) = answers.next().await {
            seen.note(format_args!("answer to {}", answer.unwrap().name));
        }
        seen.sort();
    });
    same(|around, seen| async move {
        let gate = Arc::new(Semaphore::new(0));
        let probe = Probe::new(&seen);
        let asks: Vec<_> = (0..10).map(|n| probe.ask(&n.to_string(), Fate::Gate(Arc::clone(&gate)))).collect();
        let service = ServiceBuilder::new().concurrency_limit(2).service(around.around(probe));
        let mut answers = service.call_all(stream::iter(asks)).unordered();
        let mut next = answers.next();
        begin(&mut next, || seen.has("call of 1")).await;
        gate.add_permits(10);
        let mut names = vec![next.await.unwrap().unwrap().name];
        while let Some(answer) = answers.next().await {
            names.push(answer.unwrap().name);
        }
        names.sort();
        seen.note(names.join(" "));
        seen.sort();
    });
}
