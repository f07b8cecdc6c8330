//! What differs with a layer, and is documented: a call begins when it is first polled, the called instance is not the
//! one that stays, and what a call was made of is gone when its outcome is there.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Service, ServiceExt as _};

use crate::{
    harness::{Seen, compare},
    probe::{Counts, Fate, Probe, Refused},
    support::poll_once,
};

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(ToString::to_string).collect()
}

/// With any layer, this is seen instead.
fn instead(text: &'static [&'static str]) -> impl Fn(Vec<String>, usize) -> Vec<String> + Copy + 'static {
    move |without, _| {
        let with = lines(text);
        assert_ne!(without, with, "that does not differ");
        with
    }
}

#[test]
fn a_call_begins_when_it_is_first_polled() {
    compare(
        |around, seen| async move {
            let probe = Probe::new(&seen);
            let ask = probe.ask("a", Fate::Answer);
            let mut service = around.around(probe);
            let call = service.ready().await.unwrap().call(ask);
            seen.note("it was made");
            assert!(call.await.is_ok());
        },
        instead(&["it was made", "call of a", "drop of request a", "drop of future of a", "drop of answer to a"]),
    );
}

#[test]
fn a_call_that_is_never_polled_does_not_begin() {
    compare(
        |around, seen| async move {
            let probe = Probe::new(&seen);
            let counts = Arc::clone(&probe.counts);
            let ask = probe.ask("a", Fate::Answer);
            let mut service = around.around(probe);
            drop(service.ready().await.unwrap().call(ask));
            assert_eq!(Counts::get(&counts.instances), 1);
        },
        instead(&["drop of request a"]),
    );
}

#[test]
fn calls_begin_in_the_order_of_their_first_polls() {
    compare(
        |around, seen| async move {
            let probe = Probe::new(&seen);
            let asks = ["a", "b"].map(|name| probe.ask(name, Fate::Answer));
            let mut service = around.around(probe);
            let [first, second] = asks.map(|ask| service.call(ask));
            drop((second.await, first.await));
            // The rest is the same.
            let calls = seen.all().into_iter().filter(|line| line.starts_with("call"));
            let calls: Vec<_> = calls.collect();
            seen.note(calls.join(", "));
        },
        |without, _| {
            assert_eq!(without.last().unwrap(), "call of a, call of b");
            lines(&[
                "call of b",
                "drop of request b",
                "drop of future of b",
                "call of a",
                "drop of request a",
                "drop of future of a",
                "drop of answer to b",
                "drop of answer to a",
                "call of b, call of a",
            ])
        },
    );
}

#[test]
fn what_a_call_was_made_of_is_gone_when_its_outcome_is_there() {
    compare(
        |around, seen| async move {
            let probe = Probe::new(&seen);
            let ask = probe.ask("a", Fate::Answer);
            let mut service = around.around(probe);
            let mut call = service.ready().await.unwrap().call(ask);
            let outcome = loop {
                if let Some(outcome) = poll_once(&mut call).await {
                    break outcome;
                }
                tokio::task::yield_now().await;
            };
            seen.note("the outcome is there");
            drop(call);
            drop(outcome);
        },
        instead(&[
            "call of a",
            "drop of request a",
            "drop of future of a",
            "the outcome is there",
            "drop of answer to a",
        ]),
    );
}

/// A count of each instance's own.
#[derive(Clone)]
struct OwnCount(Seen, u32);

impl Service<()> for OwnCount {
    type Response = ();
    type Error = Refused;
    type Future = Ready<Result<(), Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.1 += 1;
        self.0.note(self.1);
        ready(Ok(()))
    }
}

/// The clone that stays was made before the call.
#[test]
fn what_a_call_changes_in_its_own_instance_is_not_there_for_the_next() {
    compare(
        |around, seen| async move {
            let mut service = around.around(OwnCount(seen, 0));
            for _ in 0..3 {
                service.ready().await.unwrap().call(()).await.unwrap();
            }
        },
        instead(&["1", "1", "1"]),
    );
}
