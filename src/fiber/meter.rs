//! What the layers of one name count for metrics, besides the counters that each layer has anyway.
//!
//! Calls only count here. What has been counted is taken out and told to others now and then, see
//! [`diagnostics`](crate::diagnostics).

use std::{
    array, mem,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) use super::counters::EVENTS;
use super::{CallTimes, Event, Shared};
use crate::{
    raw::{Lookout, SHARDS, shard},
    util::{
        histogram::{Alike, Histogram},
        lock::lock,
    },
};

/// Whether what is counted in any meter is being looked at.
pub(crate) static LOOKOUT: Lookout = Lookout::new(true);

/// Belongs to all layers of one name.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) name: Box<str>,
    /// Called when something is counted and `LOOKOUT` rests.
    wake: fn(),
    /// Fibers that exist, and the most that have existed at once.
    now: AtomicU64,
    most: AtomicU64,
    /// What calls that have ended have taken, in one part for each thread that has an index of its own, and one for all
    /// others.
    times: [OnceLock<Mutex<Times>>; SHARDS + 1],
    layers: Mutex<Layers>,
}

#[derive(Debug, Default)]
struct Layers {
    living: Vec<Weak<Shared>>,
    /// The counters of layers that are gone.
    gone: [u64; EVENTS],
}

#[derive(Debug, Default)]
struct Times {
    running: Histogram,
    suspended: Histogram,
    waits: u64,
}

/// What a meter shows at one moment, and the times since it was last read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// How often each event has been counted.
    pub(crate) counts: [u64; EVENTS],
    pub(crate) live: u64,
    pub(crate) live_max: u64,
    pub(crate) abandoned: u64,
    pub(crate) stacks: u64,
    pub(crate) waits: u64,
    pub(crate) running: Vec<Alike>,
    pub(crate) suspended: Vec<Alike>,
    /// The layers that were read; these may be the last references to them.
    pub(crate) layers: Vec<Arc<Shared>>,
}

impl Meter {
    pub(crate) fn new(name: &str, wake: fn()) -> Self {
        Self {
            name: name.into(),
            wake,
            now: AtomicU64::new(0),
            most: AtomicU64::new(0),
            times: array::from_fn(|_| OnceLock::new()),
            layers: Mutex::default(),
        }
    }

    pub(super) fn add(&self, layer: &Arc<Shared>) {
        lock(&self.layers).living.push(Arc::downgrade(layer));
    }

    /// Keeps the counters of a layer that is being dropped.
    pub(super) fn keep(&self, layer: &Shared) {
        let mut layers = lock(&self.layers);
        layers.living.retain(|layer| layer.strong_count() > 0);
        layers.gone.iter_mut().zip(layer.counters.sums()).for_each(|(gone, sum)| *gone += sum);
    }

    /// Called after the event has been counted.
    #[inline(never)]
    pub(super) fn hear(&self, event: Event) {
        match event {
            Event::Started | Event::Revived => {
                let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
                if now > self.most.load(Ordering::Relaxed) {
                    self.most.fetch_max(now, Ordering::Relaxed);
                }
            }
            Event::Stopped | Event::LeakedLive => _ = self.now.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        self.tell();
    }

    #[inline]
    fn tell(&self) {
        if LOOKOUT.is_resting() {
            (self.wake)();
        }
    }

    #[inline(never)]
    pub(crate) fn call_ended(&self, CallTimes { running, suspended, waits }: CallTimes) {
        let times = self.times[shard()].get_or_init(Mutex::default);
        {
            let mut times = lock(times);
            times.running.add(running);
            times.suspended.add(suspended);
            times.waits += waits;
        }
        self.tell();
    }

    /// Called by one thread at a time. Runs no foreign code.
    pub(crate) fn read(&self) -> Reading {
        let mut reading = Reading::default();
        {
            let layers = lock(&self.layers);
            reading.counts = layers.gone;
            reading.layers = layers.living.iter().filter_map(Weak::upgrade).collect();
        }
        for layer in &reading.layers {
            reading.counts.iter_mut().zip(layer.counters.sums()).for_each(|(all, sum)| *all += sum);
            reading.live += layer.counters.live();
            reading.abandoned += layer.counters.abandoned();
            reading.stacks += layer.counters.stacks_in_use();
        }
        reading.live_max = self.most.load(Ordering::Relaxed);
        for times in self.times.iter().filter_map(OnceLock::get) {
            let mut times = lock(times);
            reading.waits += mem::take(&mut times.waits);
            times.running.take_into(&mut reading.running);
            times.suspended.take_into(&mut reading.suspended);
        }
        reading
    }
}
