//! `Retry` and `Hedge`, which call a service again, around the layer and inside of it.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, buffer::Buffer, hedge, retry, service_fn};

use crate::{
    harness::{Any, Seen, same},
    probe::Refused,
    support::until,
};

/// So many attempts at most.
#[derive(Clone)]
struct Attempts(u32, Seen);

impl retry::Policy<u32, u32, Refused> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, request: &mut u32, result: &mut Result<u32, Refused>) -> Option<Ready<()>> {
        self.1.note(format_args!("{request} had {result:?}"));
        *request += 1;
        self.0 -= 1;
        (result.is_err() && self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

/// Refuses all below ten.
fn from_ten(
    seen: &Seen,
) -> impl Service<u32, Response = u32, Error = Refused, Future: Send> + Clone + Send + Sync + use<> {
    let seen = seen.clone();
    service_fn(move |n: u32| {
        seen.note(format_args!("call of {n}"));
        async move {
            tokio::task::yield_now().await;
            if n < 10 { Err(Refused(n.to_string())) } else { Ok(n) }
        }
    })
}

#[test]
fn a_call_is_tried_again() {
    async fn retried(mut service: Any<u32, u32, Refused>, seen: Seen) {
        for n in [8, 1, 12] {
            seen.note(format_args!("{:?}", service.ready().await.unwrap().call(n).await));
        }
    }
    same(|around, seen| {
        let service = around.around(from_ten(&seen));
        let policy = Attempts(4, seen.clone());
        retried(Any::new(ServiceBuilder::new().retry(policy).service(service)), seen)
    });
    same(|around, seen| {
        let inner = ServiceBuilder::new().retry(Attempts(4, seen.clone())).service(from_ten(&seen));
        retried(around.around(inner), seen)
    });
    // A limit between them counts each attempt.
    same(|around, seen| {
        let service = ServiceBuilder::new().concurrency_limit(1).service(around.around(from_ten(&seen)));
        let policy = Attempts(4, seen.clone());
        retried(Any::new(ServiceBuilder::new().retry(policy).service(service)), seen)
    });
}

#[derive(Clone)]
struct Always;

impl hedge::Policy<u32> for Always {
    fn clone_request(&self, request: &u32) -> Option<u32> {
        Some(*request)
    }

    fn can_retry(&self, _: &u32) -> bool {
        true
    }
}

/// The first call is never answered.
fn first_is_lost(
    seen: &Seen,
) -> impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone + Send + Sync + use<> {
    let (seen, calls) = (seen.clone(), Arc::new(AtomicU32::new(0)));
    service_fn(move |n: u32| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        seen.note(format_args!("call {call} of {n}"));
        let dropped = seen.drop_of(format_args!("call {call}"));
        async move {
            let _dropped = dropped;
            if call == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(call)
        }
    })
}

#[test]
fn a_call_is_hedged() {
    async fn hedged(service: impl Service<u32, Response = u32, Error = BoxError>, seen: Seen) {
        let call = service.oneshot(7).await;
        seen.note(format_args!("{call:?}"));
        until(|| seen.has("drop of call 0")).await;
        seen.sort();
    }
    // Milliseconds.
    const LATENCIES: [u64; 3] = [1, 1, 1];
    const PERIOD: Duration = Duration::from_secs(60);
    same(|around, seen| {
        let service = around.around(first_is_lost(&seen));
        hedged(hedge::Hedge::new_with_mock_latencies(service, Always, 2, 0.5, PERIOD, &LATENCIES), seen)
    });
    same(|around, seen| {
        let inner = hedge::Hedge::new_with_mock_latencies(first_is_lost(&seen), Always, 2, 0.5, PERIOD, &LATENCIES);
        hedged(around.around(Buffer::new(inner, 2)), seen)
    });
}
