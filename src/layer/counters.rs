//! [`Counters`].

#[cfg(feature = "metrics")]
use crate::diagnostics::metrics::publish;
use crate::fiber::{Event, Shared};

/// The counters of one layer, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Fibers that exist now, running or suspended in a wait.
    pub live: u64,
    /// Of these, the fibers whose caller, or that of a fiber around them, has gone: a client has disconnected, or a
    /// time-out has elapsed. A fiber is counted when it is next resumed, which its caller's leaving causes.
    pub abandoned: u64,
    /// Stacks that fibers hold now, including those of leaked fibers.
    pub stacks_in_use: u64,
    /// Fibers and futures that could not be ended where they were dropped; what they own is lost.
    pub leaked: u64,
    /// Fibers that ended after being cancelled.
    pub cancelled: u64,
    /// Fibers that went on although their response future was dropped.
    pub handed_over: u64,
    /// Waits inside fibers that were refused: nested, cancelled, or during unwinding.
    pub refused_waits: u64,
    /// The libc calls that suspended a fiber: see [`interpose`](crate::interpose).
    #[cfg(feature = "interpose")]
    pub interposed_waits: u64,
    /// Times that a fiber ran without a wait for longer than
    /// [`detect_blocking`](crate::FiberLayerBuilder::detect_blocking) allows.
    pub blocked: u64,
    /// Fibers whose stack was [measured](crate::FiberHandle::measure_stacks).
    pub stacks_measured: u64,
    /// The most bytes of stack that a measured fiber used, in whole pages.
    pub deepest_stack: u64,
}

impl Counters {
    pub(crate) fn of(shared: &Shared) -> Self {
        #[cfg(feature = "metrics")]
        if shared.meter.is_some() {
            publish();
        }
        let Shared { counters, usage, .. } = shared;
        Self {
            live: counters.live(),
            abandoned: counters.abandoned(),
            stacks_in_use: counters.stacks_in_use(),
            leaked: counters.sum(Event::Leaked),
            cancelled: counters.sum(Event::Cancelled),
            handed_over: counters.sum(Event::HandedOver),
            refused_waits: counters.sum(Event::RefusedWait),
            #[cfg(feature = "interpose")]
            interposed_waits: counters.sum(Event::Interposed),
            blocked: counters.sum(Event::Blocked),
            stacks_measured: usage.measured(),
            deepest_stack: usage.deepest(),
        }
    }
}
