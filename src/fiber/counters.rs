//! Event counters that many threads write and few read: each thread counts in a shard of its own.

use std::{
    array, mem,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::event::Event;
use crate::{
    raw::{SHARDS, known_shard, shard},
    util::lock::lock,
};

/// How often a reader sums the shards before it gives up on a consistent result.
const LOOKS: u32 = 100;

pub(crate) const EVENTS: usize = Event::Blocked as usize + 1;

/// One thread's numbers, on their own cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard([AtomicU64; EVENTS]);

/// This thread's numbers in one layer, kept at hand by a plain call, which counts several times in a row.
pub(super) type Own = &'static Shard;

/// Zeroed shards of layers that are gone. Shards are reused and never freed.
static FREE: Mutex<Vec<&'static Shard>> = Mutex::new(Vec::new());

impl Shard {
    #[cold]
    fn take() -> &'static Self {
        lock(&FREE).pop().unwrap_or_else(|| Box::leak(Box::default()))
    }

    fn give_back(&'static self) {
        self.0.iter().for_each(|number| number.store(0, Ordering::Relaxed));
        lock(&FREE).push(self);
    }

    /// Counts one event; only the thread that owns the shard calls this.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        let number = &self.0[event as usize];
        // No other thread writes here.
        number.store(number.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

#[derive(Debug)]
pub(crate) struct EventCounters {
    /// One shard for each thread that has its own index, taken when the thread first counts, and one shared by all
    /// other threads.
    shards: [OnceLock<&'static Shard>; SHARDS + 1],
}

impl EventCounters {
    pub(super) fn new() -> Self {
        Self { shards: array::from_fn(|_| OnceLock::new()) }
    }

    /// Counts one event. A thread that sees the count also sees what this thread counted before.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        match self.own() {
            Some(shard) => shard.count(event),
            None => self.count_first(event),
        }
    }

    /// This thread's numbers, if it has counted here before and has its own index.
    #[inline]
    fn own(&self) -> Option<Own> {
        let index = known_shard();
        if index < SHARDS { self.shards[index].get().copied() } else { None }
    }

    /// As `own`, for a thread that may not have counted here before.
    #[inline]
    pub(super) fn own_or_first(&self) -> Option<Own> {
        self.own().or_else(|| self.first())
    }

    #[cold]
    fn first(&self) -> Option<Own> {
        let index = shard();
        if index < SHARDS { Some(self.shards[index].get_or_init(Shard::take)) } else { None }
    }

    /// For a thread that has not counted here before, or has no index.
    #[cold]
    fn count_first(&self, event: Event) {
        self.shards[shard()].get_or_init(Shard::take).0[event as usize].fetch_add(1, Ordering::Release);
    }

    pub(crate) fn sum(&self, event: Event) -> u64 {
        self.shards.iter().filter_map(OnceLock::get).map(|shard| shard.0[event as usize].load(Ordering::Acquire)).sum()
    }

    /// The sums of all events.
    #[cfg(feature = "metrics")]
    pub(super) fn sums(&self) -> [u64; EVENTS] {
        let mut sums = [0; EVENTS];
        for shard in self.shards.iter().filter_map(OnceLock::get) {
            sums.iter_mut().zip(&shard.0).for_each(|(sum, number)| *sum += number.load(Ordering::Acquire));
        }
        sums
    }

    /// Calls that have been placed and have not ended. Ended calls are read first, so a result of zero means that there
    /// was a moment with no call in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        let ended = self.sum(Event::Ended);
        self.sum(Event::Begun).saturating_sub(ended)
    }

    /// Fibers that exist.
    pub(crate) fn live(&self) -> u64 {
        self.rest(
            || self.sum(Event::Started) + self.sum(Event::Revived),
            || self.sum(Event::Stopped) + self.sum(Event::LeakedLive),
        )
    }

    /// Calls whose caller has gone and that have not ended.
    pub(crate) fn abandoned(&self) -> u64 {
        self.rest(|| self.sum(Event::Abandoned), || self.sum(Event::AbandonedEnded))
    }

    pub(crate) fn stacks_in_use(&self) -> u64 {
        self.rest(|| self.sum(Event::Started), || self.sum(Event::Stopped))
    }

    /// The difference of two sums, never more than it was at some moment: that holds if the second sum did not change
    /// while the first was read.
    fn rest(&self, came: impl Fn() -> u64, went: impl Fn() -> u64) -> u64 {
        let mut gone = went();
        for _ in 0..LOOKS {
            let come = came();
            let former = mem::replace(&mut gone, went());
            if former == gone {
                return come.saturating_sub(gone);
            }
        }
        // The sums change too fast for an exact result; this one is too low.
        let come = came();
        come.saturating_sub(went())
    }
}

impl Drop for EventCounters {
    fn drop(&mut self) {
        self.shards.iter().filter_map(OnceLock::get).for_each(|shard| shard.give_back());
    }
}
