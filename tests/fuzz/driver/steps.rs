//! What the code of a fiber does.

use std::{
    cell::RefCell,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    thread,
};

use tower_fiber::{Cancelled, WaitExt as _, fiber_local, on_thread_stack, try_await_in_fiber};

use super::{
    awaited::Becoming,
    fiber::{Ended, Made, MadeKind, Me},
    script::{Awaited, Source, Step, Steps, WakerSetup},
    value::{Value, discard},
    waker::foreign,
};

fiber_local!(static LOCALS: RefCell<Vec<Value>> = RefCell::default());

impl Me {
    pub(crate) fn run(&self, steps: &Steps) {
        steps.iter().for_each(|step| self.step(step));
    }

    fn step(&self, step: &Step) {
        match step {
            Step::Yield => self.waits(tower_fiber::yield_now),
            Step::Wait { awaited } => self.wait(awaited),
            Step::Try { awaited } => {
                let result = try_await_in_fiber(self.becoming(awaited));
                self.tried(&result);
            }
            Step::Ready { times } => self.waits(|| (0..times % 140).for_each(|_| ready(()).wait())),
            Step::Act { act } => self.stage.act(*act),
            Step::Panic { payload, is_bold: false } => resume_unwind(Box::new(self.value(*payload))),
            Step::Panic { payload, is_bold: true } => resume_unwind(Box::new(Bold(self.value(*payload)))),
            Step::Hold { value, steps } => {
                let _held = self.value(*value);
                self.run(steps);
            }
            Step::Local { value } => {
                let value = Value::local(&self.stage, self.number, *value);
                // Outside of fibers there are none.
                let mut value = Some(value);
                _ = LOCALS.try_with(|locals| locals.borrow_mut().extend(value.take()));
            }
            Step::Shield { steps } => self.shielded(|| self.run(steps)),
            Step::Catch { steps } => self.catch(steps),
            Step::Thread { steps } => on_thread_stack(|| self.run(steps)),
            Step::Nest { fiber } => {
                let made = Made::new(&self.stage, Some(self), fiber);
                self.wait_for(vec![made], |mut children| children.remove(0));
            }
            Step::TryNest { fiber } => {
                let future = Made::new(&self.stage, Some(self), fiber).future;
                let result = try_await_in_fiber(Ended(future));
                self.tried(&result);
            }
            Step::Join { children } => self.join(children),
            Step::Race { limit, children } => self.race(*limit, children),
            Step::Unordered { take, children } => self.unordered(*take, children),
            Step::Select { manner, children } => self.select(*manner, children),
            Step::Keep { fiber, waker } => {
                if let Some(made) = self.poll_once(Made::new(&self.stage, Some(self), fiber), *waker) {
                    self.keep(made);
                }
            }
            Step::Held { fiber, waker, steps } => {
                let held = self.poll_once(Made::new(&self.stage, Some(self), fiber), *waker);
                // One that waits for a place would get it, and keep it from others, without going on.
                let _held = held.filter(|held| self.stage.ledger.has_begun(held.number));
                self.run(steps);
            }
            Step::Serve { layer, program, request } => self.serve(*layer, program, *request),
        }
    }

    fn becoming(&self, awaited: &Awaited) -> Becoming {
        let mut awaited = awaited.clone();
        if awaited.source == Source::Never && !self.can_be_cut() {
            awaited.source = Source::Ready;
        }
        Becoming { stage: self.stage.clone(), owner: self.number, awaited, was_unwound: Arc::default() }
    }

    fn wait(&self, awaited: &Awaited) {
        let becoming = self.becoming(awaited);
        let was_unwound = Arc::clone(&becoming.was_unwound);
        let waited = catch_unwind(AssertUnwindSafe(|| self.waits(|| becoming.wait())));
        let Err(payload) = waited else { return };
        // If the thread still panics, it did before.
        if payload.is::<Cancelled>() && was_unwound.load(Ordering::Relaxed) && !thread::panicking() {
            self.stage
                .ledger
                .fail(format!("the future that fiber {} waited for was dropped by the unwinding", self.number));
        }
        resume_unwind(payload);
    }

    fn catch(&self, steps: &Steps) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.run(steps))) else { return };
        self.stage.ledger.has_caught(self.number);
        drop(payload);
    }

    /// It, if it has not ended.
    fn poll_once(&self, mut made: Made, waker: WakerSetup) -> Option<Made> {
        let waker = foreign(&self.stage, waker, &Arc::default());
        let poll = std::pin::Pin::new(&mut made.future).poll(&mut Context::from_waker(&waker));
        // Before there is something to return, which Rust forgets when a destructor panics meanwhile.
        drop(waker);
        match poll {
            Poll::Pending => Some(made),
            Poll::Ready(output) => {
                drop(output);
                None
            }
        }
    }

    fn keep(&self, made: Made) {
        // Local fibers are kept by the thread of the script.
        let is_local = matches!(made.future.kind, MadeKind::Local(_));
        if is_local && !self.stage.is_home() {
            return discard(made);
        }
        self.stage.calls.put(made.kept());
    }
}

/// A payload whose destructor panics while its thread does, too.
struct Bold(Value);

impl Drop for Bold {
    fn drop(&mut self) {
        if self.0.is_to_panic() {
            resume_unwind(Box::new("a payload"));
        }
    }
}
