//! A call in a tokio task, and its outcome, between the caller's thread and the task's.

use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    task::Poll,
};

use loom::{future::block_on, sync::Arc, thread};

use super::{
    fiber_task::{Ended, FiberTask},
    tokio_task::TokioTask,
};
use crate::{
    explore,
    raw::{DropPolicy, Fiber, Script, Scripted},
    util::loom::oneshot,
};

/// Runs a fiber's task on a thread of its own, to its end.
fn run(task: TokioTask<Scripted>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut task = task;
        block_on(poll_fn(|cx| Pin::new(&mut task).poll(cx)));
    })
}

type Received = oneshot::Receiver<Ended<Scripted>>;

fn call(script: &Arc<Script>, drop_policy: DropPolicy) -> (TokioTask<Scripted>, Received) {
    TokioTask::new(FiberTask::new(Fiber::new(Arc::clone(script), drop_policy), None))
}

/// `Arc<()>` counts: what was made is dropped once, or held by whom it was sent to.
#[test]
fn the_outcome_reaches_a_caller_that_waits() {
    explore(|| {
        let outcome = Arc::new(());
        let script = Script::new(&outcome, false);
        let (task, reply) = call(&script, DropPolicy::FINISH);
        let runs = run(task);
        script.open();
        let received = block_on(reply).unwrap().expect("the fiber has ended").expect("it has not panicked");
        runs.join().unwrap();
        assert_eq!(Arc::strong_count(&outcome), 2);
        drop(received);
        assert!(!*script.was_told.lock().unwrap());
    });
}

#[test]
fn a_caller_goes_while_its_fiber_ends_under_finish() {
    explore(|| {
        let outcome = Arc::new(());
        let script = Script::new(&outcome, false);
        let (task, reply) = call(&script, DropPolicy::FINISH);
        let runs = run(task);
        drop(reply);
        script.open();
        runs.join().unwrap();
        assert_eq!(Arc::strong_count(&outcome), 1, "received by nobody, dropped once");
        assert!(script.outcome.lock().unwrap().is_none(), "it ran to its end");
        assert!(!*script.was_cancelled.lock().unwrap());
    });
}

#[test]
fn a_caller_goes_and_its_fiber_is_cancelled() {
    explore(|| {
        let outcome = Arc::new(());
        let script = Script::new(&outcome, false);
        let (task, reply) = call(&script, DropPolicy::CANCEL);
        let runs = run(task);
        drop(reply);
        // The gate stays shut: it hangs if the task does not notice, which loom reports.
        runs.join().unwrap();
        let was_run = script.outcome.lock().unwrap().is_none();
        assert_eq!(*script.was_cancelled.lock().unwrap(), was_run, "cancelled, or not begun at all");
        drop(script.outcome.lock().unwrap().take());
        assert_eq!(Arc::strong_count(&outcome), 1);
    });
}

#[test]
fn a_caller_goes_while_its_async_service_is_pending() {
    explore(|| {
        let outcome = Arc::new(());
        let script = Script::new(&outcome, true);
        let (task, reply) = call(&script, DropPolicy::FINISH);
        let runs = run(task);
        drop(reply);
        runs.join().unwrap();
        assert!(script.outcome.lock().unwrap().is_some(), "dropped as in async");
    });
}

#[test]
fn a_caller_polls_and_then_goes_while_the_gate_opens() {
    explore(|| {
        let outcome = Arc::new(());
        let script = Script::new(&outcome, false);
        let (task, mut reply) = call(&script, DropPolicy::FINISH);
        let runs = run(task);
        let opener = {
            let script = Arc::clone(&script);
            thread::spawn(move || script.open())
        };
        let polled = block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut reply).poll(cx))));
        drop(reply);
        opener.join().unwrap();
        runs.join().unwrap();
        drop(polled);
        assert_eq!(Arc::strong_count(&outcome), 1);
    });
}
