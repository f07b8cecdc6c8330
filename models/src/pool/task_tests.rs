//! A call and its outcome between the caller's thread and the worker's: the task, its waker, its end.

use std::{
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use loom::{future::block_on, thread};

use super::{
    queues::Queues,
    task::{Body, Ran, Response, Task, alone, with_caller},
};
use crate::{
    call::fiber_task::{Ended, FiberTask},
    explore,
    raw::{Caller, DropPolicy, Fiber, Outcome as Value, Script, Scripted},
};

impl Body for FiberTask<Scripted> {
    type Output = std::thread::Result<Value>;

    fn poll(&mut self, cx: &mut Context<'_>, caller: &(dyn Caller + 'static)) -> Poll<Ended<Scripted>> {
        FiberTask::poll(self, cx, caller)
    }
}

/// A worker that runs one task to its end.
fn worker(queues: &Arc<Queues<Arc<dyn Task>>>) -> thread::JoinHandle<()> {
    let queues = Arc::clone(queues);
    thread::spawn(move || {
        queues.settle();
        loop {
            let Some(task) = queues.pop_start().or_else(|| queues.pop_resume()) else {
                queues.sleep(true);
                continue;
            };
            if task.run(&queues) != Ran::Waits {
                return;
            }
        }
    })
}

struct Case {
    value: loom::sync::Arc<()>,
    script: loom::sync::Arc<Script>,
    queues: Arc<Queues<Arc<dyn Task>>>,
    worker: thread::JoinHandle<()>,
}

impl Case {
    fn new(parks: bool) -> Self {
        let value = loom::sync::Arc::new(());
        let script = Script::new(&value, parks);
        let queues = Arc::new(Queues::new());
        let worker = worker(&queues);
        Self { value, script, queues, worker }
    }

    fn body(&self, drop_policy: DropPolicy) -> FiberTask<Scripted> {
        FiberTask::new(Fiber::new(loom::sync::Arc::clone(&self.script), drop_policy), None)
    }

    /// Hands the task over, and polls the response once, as a call does.
    fn call(
        &self,
        drop_policy: DropPolicy,
        cx: &mut Context<'_>,
    ) -> (Response<FiberTask<Scripted>>, Poll<Ended<Scripted>>) {
        let (task, mut response) = with_caller(self.body(drop_policy), cx);
        self.queues.push_start(task);
        let poll = Pin::new(&mut response).poll(cx);
        (response, poll)
    }

    /// Calls, and goes after the first poll.
    fn call_and_go(&self, drop_policy: DropPolicy) {
        block_on(poll_fn(|cx| {
            drop(self.call(drop_policy, cx));
            Poll::Ready(())
        }));
    }
}

#[test]
fn the_outcome_reaches_a_caller_that_waits() {
    explore(|| {
        let case = Case::new(false);
        case.script.open();
        let mut response = None;
        let outcome = block_on(poll_fn(|cx| match &mut response {
            None => {
                let (new, poll) = case.call(DropPolicy::FINISH, cx);
                response = Some(new);
                poll
            }
            Some(response) => Pin::new(response).poll(cx),
        }));
        drop(response);
        case.worker.join().unwrap();
        let value = outcome.expect("the fiber has ended").expect("it has not panicked");
        assert_eq!(loom::sync::Arc::strong_count(&case.value), 2);
        drop(value);
        assert!(!*case.script.was_told.lock().unwrap());
    });
}

#[test]
fn a_wake_and_another_poll_while_the_task_runs() {
    explore(|| {
        let case = Case::new(false);
        let mut response = None;
        let first = block_on(poll_fn(|cx| {
            let (new, poll) = case.call(DropPolicy::FINISH, cx);
            response = Some(new);
            Poll::Ready(poll)
        }));
        case.script.open();
        let outcome = match first {
            Poll::Ready(outcome) => outcome,
            // It leaves another waker, while the task may be ending.
            Poll::Pending => block_on(pin!(response.take().expect("just put there"))),
        };
        drop(response);
        assert!(outcome.is_some_and(|outcome| outcome.is_ok()));
        case.worker.join().unwrap();
        assert_eq!(loom::sync::Arc::strong_count(&case.value), 1);
    });
}

#[test]
fn a_caller_goes_while_its_fiber_ends_under_finish() {
    explore(|| {
        let case = Case::new(false);
        case.call_and_go(DropPolicy::FINISH);
        case.script.open();
        case.worker.join().unwrap();
        assert_eq!(loom::sync::Arc::strong_count(&case.value), 1, "received by nobody, dropped once");
        assert!(case.script.outcome.lock().unwrap().is_none(), "it ran to its end");
        assert!(!*case.script.was_cancelled.lock().unwrap());
    });
}

#[test]
fn a_caller_goes_and_its_fiber_is_cancelled() {
    explore(|| {
        let case = Case::new(false);
        case.call_and_go(DropPolicy::CANCEL);
        // The gate stays shut: it hangs if the task is not woken, which loom reports.
        case.worker.join().unwrap();
        let was_run = case.script.outcome.lock().unwrap().is_none();
        assert_eq!(*case.script.was_cancelled.lock().unwrap(), was_run, "cancelled, or not begun at all");
    });
}

#[test]
fn a_caller_goes_while_its_async_service_is_pending() {
    explore(|| {
        let case = Case::new(true);
        case.call_and_go(DropPolicy::FINISH);
        case.worker.join().unwrap();
        assert!(case.script.outcome.lock().unwrap().is_some(), "dropped as in async");
    });
}

#[test]
fn a_task_without_a_caller() {
    explore(|| {
        let case = Case::new(false);
        case.queues.push_resume(alone(case.body(DropPolicy::FINISH), Arc::clone(&case.queues)));
        case.script.open();
        case.worker.join().unwrap();
        assert!(case.script.outcome.lock().unwrap().is_none(), "it ran to its end");
        assert_eq!(loom::sync::Arc::strong_count(&case.value), 1);
    });
}
