//! `poll_ready`: what it says, in what order, whom it wakes, and what an instance that is ready holds.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio_test::task::{self, Spawn};
use tower::{Service, ServiceBuilder, ServiceExt as _};

use crate::{
    harness::{Any, Seen, begin, same},
    probe::{Answer, Ask, Fate, Probe, Refused},
    support::text_of_panic,
};

type Polls = VecDeque<Poll<Result<(), Refused>>>;

/// Its readiness goes by a script; after that it is ready.
#[derive(Clone)]
struct Script {
    seen: Seen,
    polls: Arc<Mutex<Polls>>,
    waker: Waker,
}

impl Service<()> for Script {
    type Response = ();
    type Error = Refused;
    type Future = Ready<Result<(), Refused>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        self.seen.note(format_args!("asked with the caller's waker: {}", cx.waker().will_wake(&self.waker)));
        self.polls.lock().unwrap().pop_front().unwrap_or(Poll::Ready(Ok(())))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.seen.note("called");
        ready(Ok(()))
    }
}

#[test]
fn each_poll_is_passed_on() {
    same(|around, seen| async move {
        let refused = Poll::Ready(Err(Refused("by the script".to_owned())));
        let polls = [Poll::Pending, Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Ok(())), refused];
        let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let script = Script { seen: seen.clone(), polls: Arc::new(Mutex::new(polls.into())), waker: waker.clone() };
        let mut service = around.around(script);
        for _ in 0..6 {
            seen.note(format_args!("{:?}", service.poll_ready(&mut Context::from_waker(&waker))));
        }
        service.call(()).await.unwrap();
    });
}

type Probed = Any<Ask, Answer, Refused>;

fn poll_ready(service: &mut Spawn<Probed>) -> String {
    let poll = service.enter(|cx, mut service| service.poll_ready(cx));
    format!("{poll:?}")
}

fn woken(services: &[Spawn<Probed>]) -> String {
    format!("woken: {:?}", services.iter().map(Spawn::is_woken).collect::<Vec<_>>())
}

#[test]
fn those_that_wait_are_woken_in_order() {
    same(|around, seen| async move {
        let inner = ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        let service = around.around(inner);
        let mut services: Vec<_> = (0..4).map(|_| task::spawn(service.clone())).collect();
        while !services.is_empty() {
            let polls: Vec<_> = services.iter_mut().map(poll_ready).collect();
            seen.note(format_args!("{polls:?}"));
            // A readiness that is not used is given back with the instance that has it.
            drop(services.remove(0));
            seen.note(woken(&services));
        }
    });
}

#[test]
fn one_that_waits_no_more_is_passed_over() {
    same(|around, seen| async move {
        let inner = ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        let service = around.around(inner);
        let mut services: Vec<_> = (0..3).map(|_| task::spawn(service.clone())).collect();
        seen.note(format_args!("{:?}", services.iter_mut().map(poll_ready).collect::<Vec<_>>()));
        drop(services.remove(1));
        drop(services.remove(0));
        seen.note(woken(&services));
        seen.note(poll_ready(&mut services[0]));
    });
}

#[test]
fn a_clone_is_not_ready() {
    same(|around, seen| async move {
        let inner = ServiceBuilder::new().concurrency_limit(1).service(Probe::new(&seen));
        let mut service = task::spawn(around.around(inner));
        seen.note(poll_ready(&mut service));
        let mut clone = task::spawn(service.clone());
        seen.note(poll_ready(&mut clone));
        seen.note(poll_ready(&mut service));
    });
}

#[test]
fn readiness_is_for_one_call() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let gate = Arc::new(Semaphore::new(0));
        let ask = probe.ask("a", Fate::Gate(Arc::clone(&gate)));
        let mut service = task::spawn(around.around(ServiceBuilder::new().concurrency_limit(1).service(probe)));
        seen.note(poll_ready(&mut service));
        let mut call = service.call(ask);
        begin(&mut call, || seen.has("call of a")).await;
        seen.note(poll_ready(&mut service));
        gate.add_permits(1);
        seen.note(call.await.is_ok());
        seen.note(service.is_woken());
        seen.note(poll_ready(&mut service));
    });
}

#[test]
fn a_call_of_what_is_not_ready_panics() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let ask = probe.ask("a", Fate::Answer);
        let mut service = around.around(ServiceBuilder::new().concurrency_limit(1).service(probe));
        // Without the layer in `call`, with it when the call begins.
        let call = AssertUnwindSafe(async { service.call(ask).await.is_ok() }).catch_unwind().await;
        let text = text_of_panic(|| std::panic::resume_unwind(call.unwrap_err()));
        seen.note(text.lines().next().unwrap());
    });
}

#[test]
fn a_panic_of_poll_ready_goes_to_the_one_who_asks() {
    same(|around, seen| async move {
        let mut service = around.around(Panics);
        let text = text_of_panic(|| _ = service.poll_ready(&mut Context::from_waker(Waker::noop())));
        seen.note(text);
        // And the service can be used on.
        let call = AssertUnwindSafe(service.ready()).catch_unwind().await;
        seen.note(call.is_err());
    });
}

#[derive(Clone)]
struct Panics;

impl Service<()> for Panics {
    type Response = ();
    type Error = Refused;
    type Future = Ready<Result<(), Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        panic!("in poll_ready")
    }

    fn call(&mut self, (): ()) -> Self::Future {
        unreachable!("it is never ready")
    }
}
