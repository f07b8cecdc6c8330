//! Numbers that many threads count and few read: each thread counts for itself.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::home::{self, SHARDS};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A call was placed.
    Begun,
    /// The last of a call is gone.
    Ended,
    /// A fiber has taken a stack.
    Started,
    /// A fiber has returned its stack.
    Stopped,
    /// A fiber or future was leaked.
    Leaked,
    /// One with a stack, or one that takes a stack although it had been counted as leaked.
    LeakedLive,
    /// One that had been counted so has returned its stack all the same.
    Revived,
    Cancelled,
    HandedOver,
    RefusedWait,
    /// A call took long and did not wait.
    NeverWaited,
    /// A fiber ran for longer than its layer allows.
    Blocked,
}

const EVENTS: usize = Event::Blocked as usize + 1;

/// One thread's numbers, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard([AtomicU64; EVENTS]);

impl Shard {
    /// Counts one, on the thread whose numbers they are.
    #[inline]
    pub(super) fn count(&self, event: Event) {
        let number = &self.0[event as usize];
        // No other thread writes here.
        number.store(number.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

#[derive(Debug)]
pub(crate) struct Tally {
    /// One for each thread that has an index of its own, made when it first counts, and one for all others together.
    shards: [OnceLock<Box<Shard>>; SHARDS + 1],
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { shards: array::from_fn(|_| OnceLock::new()) }
    }

    /// Counts one. Whoever sees it counted sees what this thread counted before.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        match self.own() {
            Some(shard) => shard.count(event),
            None => self.count_first(event),
        }
    }

    /// The numbers of this thread, if it has counted here before and has an index of its own.
    #[inline]
    pub(super) fn own(&self) -> Option<&Shard> {
        let index = home::known_shard();
        if index < SHARDS { self.shards[index].get().map(|shard| &**shard) } else { None }
    }

    /// The same for a thread that may not have counted here before.
    #[inline]
    pub(super) fn own_or_first(&self) -> Option<&Shard> {
        self.own().or_else(|| self.first())
    }

    #[cold]
    fn first(&self) -> Option<&Shard> {
        let index = home::shard();
        if index < SHARDS { Some(self.shards[index].get_or_init(Box::default)) } else { None }
    }

    /// For a thread that has not counted here before, or has no index.
    #[cold]
    fn count_first(&self, event: Event) {
        self.shards[home::shard()].get_or_init(Box::default).0[event as usize].fetch_add(1, Ordering::Release);
    }

    pub(crate) fn sum(&self, event: Event) -> u64 {
        self.shards.iter().filter_map(OnceLock::get).map(|shard| shard.0[event as usize].load(Ordering::Acquire)).sum()
    }

    /// Calls that have been placed and not ended. If it is none, there was a moment at which there was none: what is taken off is read
    /// first.
    pub(super) fn in_flight(&self) -> u64 {
        let ended = self.sum(Event::Ended);
        self.sum(Event::Begun).saturating_sub(ended)
    }

    /// Fibers that exist.
    pub(crate) fn live(&self) -> u64 {
        let gone = self.sum(Event::Stopped) + self.sum(Event::LeakedLive);
        (self.sum(Event::Started) + self.sum(Event::Revived)).saturating_sub(gone)
    }

    /// Stacks that are not free.
    pub(crate) fn stacks_in_use(&self) -> u64 {
        let returned = self.sum(Event::Stopped);
        self.sum(Event::Started).saturating_sub(returned)
    }
}
