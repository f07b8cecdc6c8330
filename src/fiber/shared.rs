//! The data that all fibers of a layer share: name, stacks, limit, drop policy and counters; and the layers of the
//! process, by these data.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Event,
    counters::{EventCounters, Own},
    detector::DetectorSettings,
    id::LayerId,
    in_flight::InFlight,
    inherited::Inherited,
    limit::Limit,
    meter::Meter,
    policy::{Bar, DropPolicy, Stacks},
    report::Reports,
    usage::Usage,
};
use crate::{
    raw::{FiberStack, Source, fence, shortage},
    util::lock::lock,
};

/// The data that all fibers of one layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) id: LayerId,
    /// The layer's name; without one, messages use the type name of the service or function.
    pub(crate) name: Option<Box<str>>,
    /// Usable bytes of each stack.
    pub(crate) stack_size: usize,
    pub(super) stacks: Source,
    /// Whether stacks are wiped before they are returned.
    pub(crate) hygiene: bool,
    #[cfg(feature = "interpose")]
    #[cfg_attr(
        not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
        allow(dead_code, reason = "nothing is interposed here")
    )]
    pub(super) interposes: bool,
    pub(crate) limit: Option<Limit>,
    pub(crate) usage: Usage,
    pub(crate) drop_policy: DropPolicy,
    pub(super) bar: Option<Bar>,
    pub(crate) inherited: Inherited,
    /// What is counted for metrics, if the layer has any.
    pub(crate) meter: Option<Arc<Meter>>,
    /// The detector of fibers that block their thread, if the layer has one.
    pub(crate) detector: Option<DetectorSettings>,
    pub(crate) counters: EventCounters,
    pub(crate) in_flight: InFlight,
    pub(super) reports: Reports,
    observers: AtomicUsize,
    /// Whether a fiber needs only a stack to begin.
    is_plain: bool,
    /// The same for a fiber that has a permit of the layer's limit.
    pub(super) is_plain_within_limit: bool,
}

impl Shared {
    pub(crate) fn new(
        name: Option<&str>,
        stacks: Stacks,
        drop_policy: DropPolicy,
        bar: Option<Bar>,
        inherited: Inherited,
        meter: Option<Arc<Meter>>,
        detector: Option<DetectorSettings>,
    ) -> Arc<Self> {
        let Stacks { size, hygiene, max_fibers, .. } = stacks;
        // A grace period needs timers, which the general path looks for.
        let needs_a_stack = !hygiene && drop_policy.grace.is_zero();
        let is_plain = needs_a_stack && bar.is_none();
        let shared = Arc::new(Self {
            id: LayerId::new(),
            name: name.map(Into::into),
            stack_size: size,
            stacks: Source::of_size(size),
            hygiene,
            #[cfg(feature = "interpose")]
            interposes: stacks.interposes,
            limit: max_fibers.map(Limit::new),
            usage: Usage::default(),
            drop_policy,
            bar,
            inherited,
            meter,
            detector,
            counters: EventCounters::new(),
            in_flight: InFlight::default(),
            reports: Reports::default(),
            observers: AtomicUsize::new(0),
            is_plain: is_plain && max_fibers.is_none(),
            is_plain_within_limit: is_plain && max_fibers.is_some(),
        });
        layers(|layers| {
            layers.known.insert(shared.id, Arc::downgrade(&shared));
            if layers.are_observed {
                shared.observe();
            }
        });
        shared.meter.iter().for_each(|meter| meter.add(&shared));
        shared
    }

    /// The data of a layer, unless the layer is gone.
    pub(super) fn of(id: LayerId) -> Option<Arc<Self>> {
        layers(|layers| layers.known.get(&id)?.upgrade())
    }

    /// The stack that this thread used last, for a call that needs nothing else to begin.
    #[inline]
    pub(super) fn take_plain(&self) -> Option<FiberStack> {
        if self.is_plain { self.take_plain_admitted() } else { None }
    }

    /// As `take_plain`, for a call that has its permit.
    #[inline]
    pub(super) fn take_plain_admitted(&self) -> Option<FiberStack> {
        if self.usage.is_any_wanted() || shortage::is_there() {
            return None;
        }
        self.stacks.take_warm()
    }

    /// Counts one event, also for metrics.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.count_in(event, None);
    }

    /// As `count`. A plain call passes its thread's `own` numbers.
    #[inline]
    pub(super) fn count_in(&self, event: Event, own: Option<Own>) {
        match own {
            Some(own) => own.count(event),
            None => self.counters.count(event),
        }
        if let Some(meter) = &self.meter {
            meter.hear(event);
        }
    }

    /// As `count_in`, for the beginning and the end of a call. Those of a plain call lie beside events that the meter
    /// hears of: the first before its fiber's start, the second before its times.
    #[inline]
    pub(super) fn count_call(&self, event: Event, own: Option<Own>) {
        match own {
            Some(own) => own.count(event),
            None => self.count(event),
        }
    }

    #[inline]
    pub(super) fn begin_call(&self, own: Option<Own>) {
        self.count_call(Event::Begun, own);
        fence::light();
    }

    #[inline]
    pub(super) fn end_call(&self, own: Option<Own>) {
        self.count_call(Event::Ended, own);
        self.in_flight.tell_end();
    }

    /// Waits until no call is in flight.
    pub(crate) async fn drained(&self) {
        self.in_flight.drained(&self.counters).await;
    }

    /// Warns if too many of the layer's fibers have no caller any more.
    #[cold]
    pub(super) fn look_at_abandoned(&self, label: &str) {
        if let Some(limit) = &self.limit {
            limit.note_abandoned(self.counters.abandoned(), self.name_or(label));
        }
    }

    /// Counts one more layer, handle, dump or page that may look at these fibers while they wait.
    pub(super) fn observe(&self) {
        self.observers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_observing(&self) {
        self.observers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a layer or handle exists that could look at these fibers while they wait, or cancel them. Once none
    /// exists, none ever will again that could cancel them.
    #[inline]
    pub(super) fn is_observed(&self) -> bool {
        self.observers.load(Ordering::Relaxed) > 0
    }

    /// The layer's name, or `label`, the type name of the service or function.
    pub(crate) fn name_or<'a>(&'a self, label: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(label)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        layers(|layers| layers.known.remove(&self.id));
        self.meter.iter().for_each(|meter| meter.keep(self));
    }
}

/// All layers of the process.
#[derive(Default)]
struct Layers {
    known: HashMap<LayerId, Weak<Shared>>,
    /// Whether a dump or the insight page observes all layers.
    are_observed: bool,
}

fn layers<R>(f: impl FnOnce(&mut Layers) -> R) -> R {
    static LAYERS: Mutex<Option<Layers>> = Mutex::new(None);
    let mut layers: MutexGuard<'static, _> = lock(&LAYERS);
    f(layers.get_or_insert_default())
}

/// The data of all layers, the oldest first.
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) fn all_layers() -> Vec<Arc<Shared>> {
    // The last reference to one may be among these, so that they are dropped after the unlocking.
    let mut all = layers(|layers| layers.known.values().filter_map(Weak::upgrade).collect::<Vec<_>>());
    all.sort_by_key(|shared| shared.id);
    all
}

/// Lets a dump or the insight page observe the fibers of all layers, including layers that are made later.
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) fn observe_all_layers() {
    let known = layers(|layers| {
        let is_first = !std::mem::replace(&mut layers.are_observed, true);
        let known = layers.known.values().filter(|_| is_first);
        known.filter_map(Weak::upgrade).collect::<Vec<_>>()
    });
    known.iter().for_each(|shared| shared.observe());
}
