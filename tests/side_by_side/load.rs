//! Measures of load: what is in flight, around the layer and inside of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tower::{
    Service, ServiceExt as _,
    buffer::Buffer,
    load::{CompleteOnResponse, Load, PeakEwma, PendingRequests},
};

use crate::{
    harness::{Around, Seen, begin, same},
    probe::{Answer, Ask, Fate, Probe, ask},
    support::until,
};

/// Notes what changes while calls begin, end and are dropped. `load` says whether it has grown since `before`.
async fn watch<S, M: PartialOrd + Copy>(mut service: S, load: impl Fn(&S) -> M, seen: Seen)
where
    S: Service<Ask, Response = Answer, Error: std::fmt::Debug, Future: Unpin>,
{
    let note = |what: &str, before: M, now: M| {
        let change = now.partial_cmp(&before).map(|order| format!("{order:?}"));
        seen.note(format_args!("{what}: {change:?}"));
        now
    };
    let gate = Arc::new(Semaphore::new(0));
    let idle = load(&service);
    let mut first = service.ready().await.unwrap().call(ask(&seen, "a", Fate::Gate(Arc::clone(&gate))));
    begin(&mut first, || seen.has("call of a")).await;
    let one = note("the first begins", idle, load(&service));
    let mut second = service.ready().await.unwrap().call(ask(&seen, "b", Fate::Never));
    begin(&mut second, || seen.has("call of b")).await;
    let two = note("the second begins", one, load(&service));
    gate.add_permits(1);
    assert!(first.await.is_ok());
    let left = note("the first ends", two, load(&service));
    drop(second);
    until(|| seen.has("drop of future of b")).await;
    note("the second is dropped", left, load(&service));
}

fn completion() -> CompleteOnResponse {
    CompleteOnResponse::default()
}

#[test]
fn pending_requests() {
    same(|around, seen| {
        let service = PendingRequests::new(around.around(Probe::new(&seen)), completion());
        watch(service, Load::load, seen)
    });
}

#[test]
fn pending_requests_are_counted() {
    same(|around, seen| async move {
        let mut service = PendingRequests::new(around.around(Probe::new(&seen)), completion());
        let mut calls = Vec::new();
        for n in 0..3 {
            let mut call = service.ready().await.unwrap().call(ask(&seen, &n.to_string(), Fate::Never));
            begin(&mut call, || seen.has(&format!("call of {n}"))).await;
            calls.push(call);
            seen.note(format_args!("{:?}", service.load()));
        }
        while let Some(call) = calls.pop() {
            drop(call);
            seen.note(format_args!("{:?}", service.load()));
        }
        until(|| seen.count_starting("drop of future") == 3).await;
        seen.sort();
    });
}

#[test]
fn peak_ewma() {
    same(|around, seen| {
        // What the first of two in flight took does not decay within a test.
        let second = Duration::from_secs(1);
        let service =
            PeakEwma::new(around.around(Probe::new(&seen)), second, second.as_nanos() as f64 * 1e6, completion());
        watch(service, Load::load, seen)
    });
}

/// The measure is inside: it sees a call from its first poll on.
#[test]
fn measures_inside() {
    async fn ends(around: Around, seen: Seen) {
        let measured = PendingRequests::new(Probe::new(&seen), completion());
        let mut service = around.around(Buffer::new(measured, 2));
        for (name, fate) in [("a", Fate::Later), ("b", Fate::Answer)] {
            seen.note(service.ready().await.unwrap().call(ask(&seen, name, fate)).await.unwrap().name);
        }
        let mut call = service.ready().await.unwrap().call(ask(&seen, "c", Fate::Never));
        while !seen.has("call of c") {
            assert!(crate::support::poll_once(&mut call).await.is_none());
            tokio::task::yield_now().await;
        }
        drop(call);
        until(|| seen.has("drop of future of c")).await;
    }
    same(ends);
}
