//! One word that says how far a task is, and what its caller wants.

use crate::{
    raw::Caller,
    util::loom::{AtomicUsize, Ordering},
};

/// The task is in a queue, or will be after its current run.
const SCHEDULED: usize = 1;
const RUNNING: usize = 2;
/// The task has ended, and its outcome is in its place.
const ENDED: usize = 4;
/// The caller's waker is in its place. If this is set when the task ends, the worker owns that place from then on;
/// otherwise, and until then, the caller does.
const AWAITED: usize = 8;
/// The caller has gone.
const GONE: usize = 16;

/// All flags change by atomic exchanges of the one word, so each change sees what was done before the others.
pub(super) struct State(AtomicUsize);

/// The caller that a task finds when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// The caller waits, and is to be woken.
    Waits,
    /// The caller has no waker in its place: it looks again.
    Looks,
    /// The caller has gone.
    Gone,
}

/// What a caller must do when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// Take the outcome.
    Take,
    /// Schedule the task.
    Schedule,
    Nothing,
}

impl State {
    /// The state of a task in a queue, with its caller's waker in its place.
    pub(super) fn awaited() -> Self {
        Self(AtomicUsize::new(SCHEDULED | AWAITED))
    }

    /// The state of a task in a queue, without a caller.
    pub(super) fn alone() -> Self {
        Self(AtomicUsize::new(SCHEDULED | GONE))
    }

    /// Schedules the task. Returns whether the task must be put into its queue.
    pub(super) fn wake(&self) -> bool {
        self.0.fetch_or(SCHEDULED, Ordering::AcqRel) & (SCHEDULED | RUNNING | ENDED) == 0
    }

    /// For the worker that has taken the task from a queue.
    pub(super) fn begin_run(&self) {
        self.0.fetch_xor(SCHEDULED | RUNNING, Ordering::AcqRel);
    }

    /// The task waits. Returns whether it was woken meanwhile and must be put into its queue again.
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

    /// For the caller, once its waker is in its place. Returns whether the task had ended before, so that nothing wakes
    /// the caller.
    pub(super) fn wait(&self) -> bool {
        self.0.fetch_or(AWAITED, Ordering::AcqRel) & ENDED != 0
    }

    /// For the caller, to get the place of its waker back. Returns `false` if the task has ended.
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
