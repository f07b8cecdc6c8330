//! Numbers that many threads count and few read: each thread counts for itself.

use std::{
    array, mem,
    ptr::NonNull,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    event::Event,
    home::{self, SHARDS},
};

/// How often the numbers of all threads are read until they belong together.
const LOOKS: u32 = 100;

const EVENTS: usize = Event::Blocked as usize + 1;

/// One thread's numbers, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard([AtomicU64; EVENTS]);

/// The numbers of this thread in one layer, for a plain call, which counts several times in a row.
#[derive(Clone, Copy)]
pub(super) struct Own(NonNull<Shard>);

impl Own {
    #[inline]
    pub(super) fn count(self, event: Event) {
        // SAFETY: by invariant 17 the layer's numbers exist for as long as the call that counts, and they are never
        // moved.
        unsafe { self.0.as_ref() }.count(event);
    }
}

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
pub(crate) struct EventCounters {
    /// One for each thread that has an index of its own, made when it first counts, and one for all others together.
    shards: [OnceLock<Box<Shard>>; SHARDS + 1],
}

impl EventCounters {
    pub(super) fn new() -> Self {
        Self { shards: array::from_fn(|_| OnceLock::new()) }
    }

    /// Counts one. A thread that sees it counted sees what this thread counted before.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        match self.own() {
            Some(shard) => shard.count(event),
            None => self.count_first(event),
        }
    }

    /// The numbers of this thread, if it has counted here before and has an index of its own.
    #[inline]
    fn own(&self) -> Option<&Shard> {
        let index = home::known_shard();
        if index < SHARDS { self.shards[index].get().map(|shard| &**shard) } else { None }
    }

    /// The same for a thread that may not have counted here before.
    #[inline]
    pub(super) fn own_or_first(&self) -> Option<Own> {
        self.own().or_else(|| self.first()).map(|shard| Own(NonNull::from(shard)))
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

    /// Calls that have been placed and not ended. If it is none, there was a moment at which there was none: what is
    /// taken off is read first.
    pub(super) fn in_flight(&self) -> u64 {
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

    /// Stacks that are not free.
    pub(crate) fn stacks_in_use(&self) -> u64 {
        self.rest(|| self.sum(Event::Started), || self.sum(Event::Stopped))
    }

    /// What has come and not gone. Never more than there was at one moment: that is so if none has gone while those
    /// that have come were counted.
    fn rest(&self, came: impl Fn() -> u64, went: impl Fn() -> u64) -> u64 {
        let mut gone = went();
        for _ in 0..LOOKS {
            let come = came();
            let former = mem::replace(&mut gone, went());
            if former == gone {
                return come.saturating_sub(gone);
            }
        }
        // Too much is going on for an exact number: one that is too low.
        let come = came();
        come.saturating_sub(went())
    }
}
