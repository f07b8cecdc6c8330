//! A fiber as its task sees it, without a stack: it begins, waits for a gate, and ends.

use std::{
    marker::PhantomData,
    panic::resume_unwind,
    task::{Context, Poll, Waker},
    thread,
};

use loom::sync::{Arc, Mutex};

// As the library's, with no code of others that could harm.

pub(crate) fn clone_waker(waker: &Waker) -> Waker {
    waker.clone()
}

pub(crate) fn wake(waker: Waker) {
    waker.wake();
}

pub(crate) fn let_go<T>(value: T) {
    drop(value);
}

pub(crate) trait Job: 'static {
    type Output: 'static;
}

pub(crate) trait Caller: 'static {
    fn is_gone(&self) -> bool;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Fresh,
    Suspended,
    GivenUp,
    Parked,
    Finished,
}

/// What a cancel does to a fiber.
#[derive(Clone, Copy)]
pub(crate) struct DropPolicy {
    pub(crate) follows: bool,
}

impl DropPolicy {
    pub(crate) const FINISH: Self = Self { follows: false };
    pub(crate) const CANCEL: Self = Self { follows: true };
}

pub(crate) struct Shared {
    pub(crate) drop_policy: DropPolicy,
}

/// What a fiber waits for, and what was seen of it.
pub(crate) struct Script {
    /// Open, and who waits for that.
    pub(crate) gate: Mutex<(bool, Option<Waker>)>,
    /// The outcome, until the fiber ends.
    pub(crate) outcome: Mutex<Option<Outcome>>,
    /// Whether it waits as an async service, without a stack.
    pub(crate) parks: bool,
    pub(crate) was_cancelled: Mutex<bool>,
    pub(crate) was_told: Mutex<bool>,
}

pub(crate) type Outcome = Arc<()>;

impl Script {
    pub(crate) fn new(outcome: &Outcome, parks: bool) -> Arc<Self> {
        Arc::new(Self {
            gate: Mutex::new((false, None)),
            outcome: Mutex::new(Some(Arc::clone(outcome))),
            parks,
            was_cancelled: Mutex::new(false),
            was_told: Mutex::new(false),
        })
    }

    pub(crate) fn open(&self) {
        let waker = {
            let mut gate = self.gate.lock().unwrap();
            gate.0 = true;
            gate.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

pub(crate) struct Scripted;

impl Job for Scripted {
    type Output = Outcome;
}

pub(crate) struct Fiber<J: Job> {
    script: Arc<Script>,
    phase: Phase,
    is_cancelled: bool,
    shared: Shared,
    job: PhantomData<J>,
}

impl<J: Job<Output = Outcome>> Fiber<J> {
    pub(crate) fn new(script: Arc<Script>, drop_policy: DropPolicy) -> Self {
        Self { script, phase: Phase::Fresh, is_cancelled: false, shared: Shared { drop_policy }, job: PhantomData }
    }
}

impl<J: Job> Fiber<J> {
    pub(crate) fn is_home(&self) -> bool {
        true
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn tell_caller_gone(&mut self) {
        *self.script.was_told.lock().unwrap() = true;
    }

    pub(crate) fn cancel(&mut self) {
        self.is_cancelled = true;
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        _: Option<&dyn Caller>,
        ending: &mut Poll<thread::Result<J::Output>>,
    ) {
        assert!(self.phase != Phase::Finished, "polled after its end");
        if !self.is_cancelled {
            let mut gate = self.script.gate.lock().unwrap();
            if !gate.0 {
                gate.1 = Some(cx.waker().clone());
                self.phase = if self.script.parks { Phase::Parked } else { Phase::Suspended };
                return;
            }
        }
        self.phase = Phase::Finished;
        *self.script.was_cancelled.lock().unwrap() = self.is_cancelled;
        let outcome: Box<dyn std::any::Any> =
            Box::new(self.script.outcome.lock().unwrap().take().expect("it ends once"));
        match outcome.downcast() {
            Ok(outcome) => *ending = Poll::Ready(Ok(*outcome)),
            Err(other) => resume_unwind(Box::new(format!("{:?} is no outcome", other.type_id()))),
        }
    }
}
