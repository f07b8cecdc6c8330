//! `Steer` and `Balance`, which choose among services, around the layer and inside of it.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt as _,
    balance::p2c::Balance,
    buffer::Buffer,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
    steer::Steer,
};

use crate::{
    harness::{Any, Around, Seen, begin, same},
    probe::{Answer, Ask, Counts, Fate, Probe, Refused, ask},
    support::{poll_once, until},
};

type Probed = Any<Ask, Answer, Refused>;

/// Requests go where their name says.
fn first_digit(ask: &Ask, services: &[Probed]) -> usize {
    ask.name[..1].parse::<usize>().unwrap() % services.len()
}

type ByDigit = fn(&Ask, &[Probed]) -> usize;

async fn steered(mut service: impl Service<Ask, Response = Answer, Error = Refused>, seen: Seen) {
    for name in ["0", "1", "10", "01", "2"] {
        let answer = service.ready().await.unwrap().call(ask(&seen, name, Fate::Later)).await;
        seen.note(format_args!("answer to {}", answer.unwrap().name));
    }
}

#[test]
fn requests_are_steered() {
    same(|around, seen| {
        let services = [(); 2].map(|()| around.around(Probe::new(&seen)));
        steered(Steer::new(services, first_digit as ByDigit), seen)
    });
    same(|around, seen| {
        let services = [(); 2].map(|()| Any::new(Probe::new(&seen)));
        steered(around.around(Steer::new(services, first_digit as ByDigit)), seen)
    });
}

/// One that is not ready holds up all.
#[test]
fn steering_waits_for_all() {
    async fn waits(mut service: impl Service<Ask, Response = Answer, Error = Refused, Future: Unpin>, seen: Seen) {
        let gate = Arc::new(Semaphore::new(0));
        let mut call = service.ready().await.unwrap().call(ask(&seen, "0", Fate::Gate(Arc::clone(&gate))));
        begin(&mut call, || seen.has("call of 0")).await;
        let mut ready = Box::pin(service.ready());
        seen.note(format_args!("ready: {}", poll_once(&mut ready).await.is_some()));
        gate.add_permits(1);
        assert!(call.await.is_ok());
        let answer = ready.await.unwrap().call(ask(&seen, "1", Fate::Answer)).await;
        seen.note(answer.unwrap().name);
    }
    same(|around, seen| {
        let limited = || ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        let services = [(); 2].map(|()| around.around(limited()));
        waits(Steer::new(services, first_digit as ByDigit), seen.clone())
    });
}

/// A clone of `Steer` takes itself for ready when that is, although its services are not (tower 0.5): each layer that
/// clones needs a `Buffer` below.
#[test]
fn steering_inside_needs_a_buffer_between() {
    same(|around, seen| async move {
        let limited = || ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        let services = [(); 2].map(|()| Any::new(limited()));
        let service = around.around(Buffer::new(Steer::new(services, first_digit as ByDigit), 4));
        let gate = Arc::new(Semaphore::new(0));
        let calls = ["0", "1", "00", "11"].map(|name| {
            let fate = if name == "0" { Fate::Gate(Arc::clone(&gate)) } else { Fate::Later };
            tokio::spawn(service.clone().oneshot(ask(&seen, name, fate)))
        });
        until(|| seen.has("call of 0")).await;
        gate.add_permits(1);
        for call in join_all(calls).await {
            seen.note(format_args!("answer to {}", call.unwrap().unwrap().name));
        }
        seen.sort();
    });
}

/// Calls that are in flight together are spread evenly over three services.
async fn spread(service: Any<Ask, Answer, BoxError>, probes: [Arc<Counts>; 3], seen: Seen) {
    const CALLS: usize = 12;
    let gate = Arc::new(Semaphore::new(0));
    let mut calls = Vec::new();
    for n in 0..CALLS {
        let name = n.to_string();
        let call = service.clone().oneshot(ask(&seen, &name, Fate::Gate(Arc::clone(&gate))));
        calls.push(tokio::spawn(call));
        // The load is known before the next one comes.
        until(|| seen.has(&format!("call of {name}"))).await;
    }
    let in_flight = |counts: &Arc<Counts>| Counts::get(&counts.in_flight);
    seen.note(format_args!("{} in flight", probes.iter().map(in_flight).sum::<usize>()));
    // Two are looked at each time, by chance; none is forgotten.
    seen.note(format_args!("all are used: {}", probes.iter().all(|counts| in_flight(counts) > 0)));
    gate.add_permits(CALLS);
    assert!(join_all(calls).await.into_iter().all(|call| call.unwrap().is_ok()));
    seen.note(format_args!("{} in flight", probes.iter().map(in_flight).sum::<usize>()));
    seen.sort();
}

/// A balance over three probes, with `inside` around each.
fn balance(inside: &Around, seen: &Seen) -> (Any<Ask, Answer, BoxError>, [Arc<Counts>; 3]) {
    let probes = [(); 3].map(|()| Probe::new(seen));
    let counts = probes.each_ref().map(|probe| Arc::clone(&probe.counts));
    let loaded = probes.map(|probe| PendingRequests::new(inside.around(probe), CompleteOnResponse::default()));
    let balance = Balance::new(ServiceList::new::<Ask>(loaded));
    (Any::new(Buffer::new(balance, 4)), counts)
}

#[test]
fn load_is_balanced() {
    same(|around, seen| {
        let (service, counts) = balance(&around, &seen);
        spread(service, counts, seen)
    });
    same(|around, seen| {
        let (service, counts) = balance(&Around::nothing(), &seen);
        spread(around.around(service), counts, seen)
    });
}
