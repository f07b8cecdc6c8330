//! The data that all fibers of a layer share: name, stacks, limit, drop policy and counters.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    Event,
    counters::{EventCounters, Own},
    detector::DetectorSettings,
    id::LayerId,
    in_flight::InFlight,
    inherited::Inherited,
    layers,
    limit::Limit,
    meter::Meter,
    report::Reports,
};
use crate::raw::{FiberStack, Source, shortage};

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

/// The settings of the stacks that a layer's fibers run on, and of what suspends there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stacks {
    /// Usable bytes of each stack.
    pub(crate) size: usize,
    pub(crate) hygiene: bool,
    /// How many fibers may exist at once.
    pub(crate) max_fibers: Option<usize>,
    /// Whether libc's blocking calls suspend the fibers.
    #[cfg(feature = "interpose")]
    pub(crate) interposes: bool,
}

/// Measures how much of their stacks fibers use, when that is asked for.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// How many of the next fibers are to be measured.
    wanted: AtomicU64,
    measured: AtomicU64,
    /// The most bytes that a measured fiber used.
    deepest: AtomicU64,
}

impl Usage {
    pub(crate) fn want(&self, fibers: u64) {
        self.wanted.store(fibers, Ordering::Relaxed);
    }

    #[inline]
    fn is_any_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Whether the fiber that begins is to be measured.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.is_any_wanted() && self.take_turn()
    }

    #[cold]
    fn take_turn(&self) -> bool {
        self.wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |wanted| wanted.checked_sub(1)).is_ok()
    }

    #[cold]
    pub(super) fn note(&self, bytes: usize) {
        self.deepest.fetch_max(bytes as u64, Ordering::Relaxed);
        self.measured.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn measured(&self) -> u64 {
        self.measured.load(Ordering::Acquire)
    }

    pub(crate) fn deepest(&self) -> u64 {
        self.deepest.load(Ordering::Relaxed)
    }
}

/// The effect of a cancel on a layer's fibers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropPolicy {
    /// Infallible waits unwind. If not set, they go on and only fallible waits fail.
    pub(crate) unwinds: bool,
    /// Cancelling a fiber also cancels the fibers of this layer inside it.
    pub(crate) follows: bool,
    /// How long a fiber may go on before it is cancelled.
    pub(crate) grace: Duration,
}

/// Checks whether the code on this stack holds something that it must not hold across a wait.
pub(crate) struct Bar(Box<dyn Fn() -> bool + Send + Sync>);

impl Bar {
    pub(crate) fn new(is_held: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(is_held))
    }

    #[cold]
    pub(super) fn is_held(&self) -> bool {
        self.0()
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bar").finish_non_exhaustive()
    }
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
        layers::register(&shared);
        shared.meter.iter().for_each(|meter| meter.add(&shared));
        shared
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

    /// Counts one more layer, handle, dump or page that may look at these fibers while they wait.
    pub(super) fn observe(&self) {
        self.observers.fetch_add(1, Ordering::Relaxed);
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
        layers::forget(self.id);
        self.meter.iter().for_each(|meter| meter.keep(self));
    }
}

/// Held by the layers and handles through which fibers can be inspected or cancelled. It is cloned from another one, or
/// made before the first fiber.
pub(crate) struct Observer(Arc<Shared>);

impl Observer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.observe();
        Self(shared)
    }
}

impl Clone for Observer {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.observers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deref for Observer {
    type Target = Arc<Shared>;

    fn deref(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
