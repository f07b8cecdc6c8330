//! The order in which request, future and response are dropped.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tower::{Service as _, ServiceExt as _};

use crate::{
    harness::{Around, Seen, begin, same},
    probe::{Ask, Fate, Probe},
    support::until,
};

/// A call that is awaited, as nearly all are.
async fn awaited(around: Around, seen: Seen, fate: Fate) {
    let probe = Probe::new(&seen);
    let ask = probe.ask("a", fate);
    let mut service = around.around(probe);
    let call = AssertUnwindSafe(async { service.ready().await.unwrap().call(ask).await });
    let outcome = call.catch_unwind().await;
    seen.note("the outcome is there");
    match outcome {
        Ok(Ok(answer)) => seen.note(format_args!("answer to {}", answer.name)),
        Ok(Err(error)) => seen.note(error),
        Err(_) => seen.note("a panic"),
    }
}

#[test]
fn answered_at_once() {
    same(|around, seen| awaited(around, seen, Fate::Answer));
}

#[test]
fn answered_later() {
    same(|around, seen| awaited(around, seen, Fate::Later));
}

#[test]
fn refused() {
    same(|around, seen| awaited(around, seen, Fate::Error));
}

#[test]
fn panicked() {
    same(|around, seen| awaited(around, seen, Fate::PanicInFuture));
    same(|around, seen| awaited(around, seen, Fate::PanicInCall));
}

async fn dropped_while_pending(around: Around, seen: Seen, service_goes_first: bool) {
    let probe = Probe::new(&seen);
    let ask: Ask = probe.ask("a", Fate::Never);
    let mut service = around.around(probe);
    let mut call = service.ready().await.unwrap().call(ask);
    begin(&mut call, || seen.has("call of a")).await;
    if service_goes_first {
        drop(service);
        seen.note("the service has gone");
    }
    drop(call);
    // On the pool that is done where the call ran.
    until(|| seen.has("drop of future of a")).await;
}

#[test]
fn dropped_while_it_is_pending() {
    same(|around, seen| dropped_while_pending(around, seen, false));
}

#[test]
fn the_service_goes_before_its_response() {
    same(|around, seen| dropped_while_pending(around, seen, true));
}

#[test]
fn the_service_goes_and_the_call_goes_on() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let gate = Arc::new(Semaphore::new(0));
        let ask = probe.ask("a", Fate::Gate(Arc::clone(&gate)));
        let mut service = around.around(probe);
        let mut call = service.ready().await.unwrap().call(ask);
        begin(&mut call, || seen.has("call of a")).await;
        drop(service);
        seen.note("the service has gone");
        gate.add_permits(1);
        let answer = call.await.unwrap();
        seen.note(format_args!("answer to {}", answer.name));
    });
}
