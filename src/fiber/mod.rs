//! Fibers in safe code: ownership, the data that a layer's fibers share, admission, waiting, and giving each count
//! back. The unsafe part is in [`raw`](crate::raw).

mod abandoned;
mod admission;
mod asking;
mod call_guard;
mod call_times;
mod counters;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod detector;
mod event;
mod find_header;
mod header;
#[cfg(feature = "tracing")]
mod hint;
mod id;
mod in_flight;
mod inherited;
mod limit;
mod locals;
#[cfg_attr(not(feature = "metrics"), path = "no_meter.rs")]
mod meter;
mod nest;
mod observer;
mod owner;
mod policy;
mod registry;
mod relay;
mod report;
mod shared;
mod state_ext;
mod usage;

pub use self::id::FiberId;
#[cfg(feature = "metrics")]
pub(crate) use self::meter::{EVENTS, LOOKOUT, Reading};
#[cfg(feature = "tracing")]
pub(crate) use self::registry::Survey;
#[cfg(feature = "insight")]
pub(crate) use self::registry::wake_fiber;
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) use self::shared::{all_layers, observe_all_layers};
pub(crate) use self::{
    admission::Admission,
    asking::Asking,
    call_times::CallTimes,
    detector::DetectorSettings,
    event::Event,
    inherited::Inherited,
    locals::Locals,
    meter::Meter,
    nest::Finishing,
    observer::Observer,
    owner::{Fiber, Phase},
    policy::{Bar, DropPolicy, Stacks},
    registry::{Listed, Registry, cancel_all, list, registries, wake_all},
    relay::Relayed,
    shared::Shared,
    state_ext::StateExt,
};

/// Whether this code runs in a fiber of the layer with these data, at any depth of nesting.
pub(crate) fn is_within(shared: &Shared) -> bool {
    crate::raw::with_current(|state| state.is_some_and(|state| state.is_within(shared)))
}
