//! One word that says where a task is, and what its caller wants.

use crate::{
    raw::Caller,
    util::loom::{AtomicUsize, Ordering},
};

/// It is in a queue, or will be when it has been run.
const SCHEDULED: usize = 1;
const RUNNING: usize = 2;
/// It has ended, and its outcome is there.
const ENDED: usize = 4;
/// The caller's waker is in its place. Who sees the caller wait at the end has the place; before it the caller has.
const AWAITED: usize = 8;
/// The caller has gone.
const GONE: usize = 16;

/// All parts change by atomic exchanges of the one word, so each sees what the others did before.
pub(super) struct State(AtomicUsize);

/// Whom a task that has ended finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// What is to be woken.
    Waits,
    /// A caller that has no waker there: it looks again.
    Looks,
    /// Nobody, and nobody will come.
    Gone,
}

/// What a caller that goes has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// Take the outcome.
    Take,
    /// Schedule the task.
    Schedule,
    Nothing,
}

impl State {
    /// Of a task in a queue, with its caller's waker in its place.
    pub(super) fn awaited() -> Self {
        Self(AtomicUsize::new(SCHEDULED | AWAITED))
    }

    /// Of a task in a queue, without a caller.
    pub(super) fn alone() -> Self {
        Self(AtomicUsize::new(SCHEDULED | GONE))
    }

    /// Whether the task is to be put into its queue.
    pub(super) fn wake(&self) -> bool {
        self.0.fetch_or(SCHEDULED, Ordering::AcqRel) & (SCHEDULED | RUNNING | ENDED) == 0
    }

    /// For the worker that has taken the task from a queue.
    pub(super) fn begin_run(&self) {
        self.0.fetch_xor(SCHEDULED | RUNNING, Ordering::AcqRel);
    }

    /// The task waits; whether it has been woken meanwhile and is to be put into its queue again.
    pub(super) fn end_run(&self) -> bool {
        self.0.fetch_xor(RUNNING, Ordering::AcqRel) & SCHEDULED != 0
    }

    /// The task has ended.
    pub(super) fn end(&self) -> Audience {
        let before = self.0.fetch_or(ENDED, Ordering::AcqRel);
        if before & GONE != 0 {
            Audience::Gone
        } else if before & AWAITED != 0 {
            Audience::Waits
        } else {
            Audience::Looks
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire) & ENDED != 0
    }

    /// For the caller, when its waker is in its place; whether the task has ended before, and nobody wakes it.
    pub(super) fn wait(&self) -> bool {
        self.0.fetch_or(AWAITED, Ordering::AcqRel) & ENDED != 0
    }

    /// For the caller, to get the place of its waker back; not if the task has ended.
    pub(super) fn wait_no_more(&self) -> bool {
        self.0.fetch_and(!AWAITED, Ordering::AcqRel) & ENDED == 0
    }

    /// The caller goes.
    pub(super) fn part(&self) -> Parting {
        let before = self.0.fetch_or(GONE | SCHEDULED, Ordering::AcqRel);
        if before & ENDED != 0 {
            Parting::Take
        } else if before & (SCHEDULED | RUNNING) == 0 {
            Parting::Schedule
        } else {
            Parting::Nothing
        }
    }
}

impl Caller for State {
    fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire) & GONE != 0
    }
}
