//! The idle stacks that a thread does not have at hand, and for how long it keeps them.
//!
//! A thread keeps what its load needs, so that a steady load makes no system calls, however many calls wait.

use std::{
    cmp::Reverse,
    mem,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::class::Class;
use crate::{raw::clock::Moment, util::lock::lock};

/// Of the stacks that a thread has not needed for so long, it gives up half.
const PERIOD: Duration = Duration::from_millis(100);

/// Of those that it has not needed for so long, all.
const LONG: Duration = Duration::from_secs(1);

/// How many it gives up at once, so that no call of the thread is held up for long.
const MOST: usize = 8192;

/// How often the threads that make no calls are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Those of one size. They are the thread's own until another thread runs short.
#[derive(Debug)]
pub(super) struct Idle {
    class: &'static Class,
    stacks: Mutex<Stacks>,
    /// Whether a thread has this one.
    is_used: AtomicBool,
}

#[derive(Debug)]
struct Stacks {
    /// The one that was added last is used first.
    bases: Vec<usize>,
    /// How many there were at least since `aged`.
    low: usize,
    aged: Moment,
}

/// All that there ever were. Those of threads that have ended are used again.
static ALL: Mutex<Vec<&'static Idle>> = Mutex::new(Vec::new());
/// When all were last looked at.
static SWEPT: Mutex<Option<Moment>> = Mutex::new(None);

impl Idle {
    /// An empty one for this thread.
    pub(super) fn of_thread(class: &'static Class) -> &'static Self {
        let mut all = lock(&ALL);
        let is_free = |idle: &&Self| idle.class.index == class.index && !idle.is_used.load(Ordering::Relaxed);
        let idle = all.iter().copied().find(is_free).unwrap_or_else(|| {
            let stacks = Mutex::new(Stacks { bases: Vec::new(), low: 0, aged: Moment::now() });
            let idle: &Self = Box::leak(Box::new(Self { class, stacks, is_used: AtomicBool::new(false) }));
            all.push(idle);
            idle
        });
        idle.is_used.store(true, Ordering::Relaxed);
        idle
    }

    /// Called when the thread ends.
    pub(super) fn release(&self) {
        self.is_used.store(false, Ordering::Relaxed);
    }

    pub(super) fn class(&self) -> &'static Class {
        self.class
    }

    /// Takes up to `most` stacks.
    pub(super) fn take(&self, into: &mut Vec<usize>, most: usize) {
        let mut stacks = lock(&self.stacks);
        let rest = stacks.bases.len().saturating_sub(most);
        into.extend(stacks.bases.drain(rest..));
        stacks.low = stacks.low.min(rest);
    }

    /// Adds stacks. Those that a deep call has used give their memory back first.
    pub(super) fn add(&self, bases: impl Iterator<Item = usize>) {
        let bases = bases.inspect(|&base| self.class.trim_deep(base));
        lock(&self.stacks).bases.extend(bases);
    }

    /// Gives up stacks that were not needed for a [`PERIOD`]. Returns whether one is over. `exchange` is called with
    /// all stacks before some go.
    ///
    /// The stacks with the lowest addresses stay. Otherwise the last stacks of a burst would keep whole slabs mapped in
    /// which nothing else is used.
    pub(super) fn age(&self, exchange: impl FnOnce(&mut Vec<usize>)) -> bool {
        let aged = {
            let mut stacks = lock(&self.stacks);
            let age = stacks.aged.elapsed();
            if age < PERIOD {
                return false;
            }
            let unused = if age < LONG { stacks.low.div_ceil(2) } else { stacks.low };
            let count = unused.min(MOST);
            if count > 0 {
                exchange(&mut stacks.bases);
                stacks.bases.sort_unstable_by_key(|&base| Reverse(base));
            }
            let aged: Vec<_> = stacks.bases.drain(..count).collect();
            let rest = stacks.bases.len();
            if count > 0 {
                stacks.bases.shrink_to(4 * rest);
            }
            (stacks.low, stacks.aged) = (rest, Moment::now());
            aged
        };
        self.class.put(aged);
        sweep();
        true
    }

    /// Gives up all.
    pub(super) fn flush(&self) {
        let bases = {
            let mut stacks = lock(&self.stacks);
            stacks.low = 0;
            mem::take(&mut stacks.bases)
        };
        self.class.put(bases);
    }
}

/// Lets the stacks of threads age that do not do so themselves, since they end no calls.
fn sweep() {
    {
        let mut swept = lock(&SWEPT);
        if swept.is_some_and(|at| at.elapsed() < SWEEP) {
            return;
        }
        *swept = Some(Moment::now());
    }
    let all = lock(&ALL).clone();
    for idle in all {
        idle.age(|_| {});
    }
}

/// Gives the idle stacks of all threads back, but for those that they have at hand.
#[cold]
pub(super) fn flush_all() {
    let all = lock(&ALL).clone();
    all.into_iter().for_each(Idle::flush);
}
