//! Limits, load shedding and time-outs, around the layer and inside of it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::Semaphore, task::yield_now};
use tower::{
    BoxError, Service as _, ServiceBuilder, ServiceExt as _,
    buffer::Buffer,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer, RateLimit, rate::Rate},
    service_fn,
};

use crate::{
    harness::{Any, Around, Seen, begin, same},
    probe::{Answer, Ask, Counts, Fate, Probe, Refused, ask},
    support::{poll_once, until},
};

/// Far more than there is room for.
const CALLS: usize = 12;
const LIMIT: usize = 3;

/// Makes `CALLS` calls at once, lets them go one by one, and notes how many were in flight.
async fn crowd(service: Any<Ask, Answer, Refused>, counts: Arc<Counts>, seen: Seen) {
    let gate = Arc::new(Semaphore::new(0));
    let calls: Vec<_> = (0..CALLS)
        .map(|n| tokio::spawn(service.clone().oneshot(ask(&seen, &n.to_string(), Fate::Gate(Arc::clone(&gate))))))
        .collect();
    drop(service);
    for ended in 0..CALLS {
        let wanted = LIMIT.min(CALLS - ended);
        until(|| counts.in_flight.load(Ordering::Relaxed) == wanted).await;
        for _ in 0..10 {
            yield_now().await;
        }
        seen.note(format_args!("{} in flight", Counts::get(&counts.in_flight)));
        gate.add_permits(1);
        until(|| seen.count_starting("drop of request") == ended + 1).await;
    }
    assert!(join_all(calls).await.into_iter().all(|call| call.unwrap().is_ok()));
    seen.note(format_args!("{} at most", Counts::get(&counts.most_in_flight)));
    // Several begin and end at once.
    seen.sort();
}

#[test]
fn a_concurrency_limit_outside() {
    same(|around, seen| {
        let probe = Probe::new(&seen);
        let counts = Arc::clone(&probe.counts);
        let limited = ServiceBuilder::new().concurrency_limit(LIMIT).service(around.around(probe));
        crowd(Any::new(limited), counts, seen)
    });
}

#[test]
fn a_concurrency_limit_inside() {
    same(|around, seen| {
        let probe = Probe::new(&seen);
        let counts = Arc::clone(&probe.counts);
        crowd(around.around(ServiceBuilder::new().concurrency_limit(LIMIT).service(probe)), counts, seen)
    });
}

#[test]
fn one_limit_inside_and_outside() {
    same(|around, seen| {
        let probe = Probe::new(&seen);
        let counts = Arc::clone(&probe.counts);
        let inside = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(LIMIT)).service(probe);
        let both = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(LIMIT)).service(around.around(inside));
        crowd(Any::new(both), counts, seen)
    });
}

#[test]
fn a_global_limit_of_services_that_are_made_anew() {
    same(|around, seen| async move {
        let limit = GlobalConcurrencyLimitLayer::new(1);
        let probe = Probe::new(&seen);
        let gate = Arc::new(Semaphore::new(0));
        let make = || around.around(ServiceBuilder::new().layer(limit.clone()).service(probe.clone()));
        let mut first = Box::pin(make().oneshot(probe.ask("a", Fate::Gate(Arc::clone(&gate)))));
        begin(&mut first, || seen.has("call of a")).await;
        let mut second = Box::pin(make().oneshot(probe.ask("b", Fate::Answer)));
        assert!(poll_once(&mut second).await.is_none());
        gate.add_permits(1);
        seen.note(first.await.unwrap().name);
        seen.note(second.await.unwrap().name);
    });
}

/// A pending response that is dropped makes room.
async fn gives_up(service: Any<Ask, Answer, Refused>, seen: Seen) {
    let mut first = Box::pin(service.clone().oneshot(ask(&seen, "a", Fate::Never)));
    begin(&mut first, || seen.has("call of a")).await;
    let mut second = Box::pin(service.oneshot(ask(&seen, "b", Fate::Answer)));
    seen.note(poll_once(&mut second).await.is_some());
    drop(first);
    until(|| seen.has("drop of future of a")).await;
    seen.note(second.await.unwrap().name);
}

#[test]
fn a_call_that_is_given_up_makes_room() {
    same(|around, seen| {
        let limited = ServiceBuilder::new().concurrency_limit(1).service(around.around(Probe::new(&seen)));
        gives_up(Any::new(limited), seen)
    });
    same(|around, seen| {
        gives_up(around.around(ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen))), seen)
    });
}

#[test]
fn a_rate_limit() {
    async fn two_of_three(service: Any<Ask, Answer, BoxError>, seen: Seen) {
        for name in ["a", "b"] {
            seen.note(service.clone().oneshot(ask(&seen, name, Fate::Answer)).await.unwrap().name);
        }
        // Somewhere on its way it waits for an hour, and goes with the runtime.
        let mut third = Box::pin(service.oneshot(ask(&Seen::default(), "c", Fate::Answer)));
        for _ in 0..20 {
            assert!(poll_once(&mut third).await.is_none());
            yield_now().await;
        }
    }
    let rate = || Rate::new(2, Duration::from_secs(3600));
    same(move |around, seen| {
        let limited = RateLimit::new(around.around(Probe::new(&seen)), rate());
        two_of_three(Any::new(Buffer::new(limited, 4)), seen)
    });
    same(move |around, seen| {
        let limited = RateLimit::new(Probe::new(&seen), rate());
        two_of_three(around.around(Buffer::new(limited, 4)), seen)
    });
}

#[test]
fn load_is_shed() {
    async fn shed(service: Any<Ask, Answer, BoxError>, seen: Seen) {
        let gate = Arc::new(Semaphore::new(0));
        let mut first = Box::pin(service.clone().oneshot(ask(&seen, "a", Fate::Gate(Arc::clone(&gate)))));
        begin(&mut first, || seen.has("call of a")).await;
        let refused = service.clone().oneshot(ask(&seen, "b", Fate::Answer)).await.err().unwrap();
        seen.note(refused.is::<tower::load_shed::error::Overloaded>());
        gate.add_permits(1);
        seen.note(first.await.unwrap().name);
        seen.note(service.oneshot(ask(&seen, "c", Fate::Answer)).await.unwrap().name);
    }
    same(|around, seen| {
        let limited = ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        shed(Any::new(ServiceBuilder::new().load_shed().service(around.around(limited))), seen)
    });
    same(|around, seen| {
        let limited = ServiceBuilder::new().concurrency_limit(1).service(around.around(Probe::new(&seen)));
        shed(Any::new(ServiceBuilder::new().load_shed().service(limited)), seen)
    });
    same(|around, seen| {
        let inner = ServiceBuilder::new().load_shed().concurrency_limit(1).service(Probe::new(&seen));
        shed(around.around(inner), seen)
    });
}

#[test]
fn time_outs() {
    async fn time_out(service: impl Fn(&Seen, Duration) -> Any<Ask, Answer, BoxError>, seen: Seen) {
        let long = service(&seen, Duration::from_secs(3600));
        seen.note(long.clone().oneshot(ask(&seen, "a", Fate::Later)).await.unwrap().name);
        seen.note(long.oneshot(ask(&seen, "b", Fate::Error)).await.err().unwrap());
        // Elsewhere the time may be up before the call begins.
        let late_one = Seen::default();
        let late = service(&late_one, Duration::ZERO).oneshot(ask(&late_one, "c", Fate::Never)).await.err().unwrap();
        seen.note(late.is::<tower::timeout::error::Elapsed>());
        until(|| late_one.has("drop of request c")).await;
    }
    same(|around: Around, seen| {
        let service = move |seen: &Seen, time| {
            let inner = around.around(Probe::new(seen));
            Any::new(ServiceBuilder::new().timeout(time).service(inner))
        };
        time_out(service, seen)
    });
    same(|around: Around, seen| {
        let inner = |seen: &Seen, time| ServiceBuilder::new().timeout(time).service(Probe::new(seen));
        time_out(move |seen, time| around.around(inner(seen, time)), seen)
    });
}

#[test]
fn what_maps_and_filters() {
    same(|around, seen| async move {
        let inner = ServiceBuilder::new()
            .map_request(|n: u32| n + 1)
            .map_response(|n: u32| n * 10)
            .map_err(|error: Refused| Refused(format!("inside: {error}")))
            .service(service_fn(|n: u32| async move {
                yield_now().await;
                if n < 5 { Ok(n) } else { Err(Refused(n.to_string())) }
            }));
        let mut outer = ServiceBuilder::new()
            .map_request(|n: u32| n + 1)
            .map_response(|n: u32| n * 10)
            .map_err(|error: Refused| Refused(format!("outside: {error}")))
            .then(|result: Result<u32, Refused>| async move { result.map(|n| n + 7) })
            .service(around.around(inner));
        for n in [1, 9] {
            seen.note(format_args!("{:?}", outer.ready().await.unwrap().call(n).await));
        }
    });
}
