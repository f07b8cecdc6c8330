//! The warning about a thread that is parked in a fiber.

#[cfg(feature = "tracing")]
use std::{sync::OnceLock, time::Instant};

#[cfg(feature = "tracing")]
use crate::{
    diagnostics::{FiberState, dump},
    fiber::StateExt as _,
    raw::{foreign, with_current},
    util::{held::Held, rate_limit::RateLimit},
};

/// Warns that this thread is parked in a fiber. What it waits for may have to come from a fiber of the same thread.
#[cfg(feature = "tracing")]
pub(super) fn warn(call: &'static str) {
    static RATE_LIMIT: OnceLock<RateLimit> = OnceLock::new();
    let _held = Held::new();
    let Some(shared) = with_current(|state| state.map(|state| state.shared_arc())) else { return };
    let Some(unsaid) = RATE_LIMIT.get_or_init(RateLimit::default).speak(Instant::now()) else { return };
    let mut others = dump(&shared);
    let here = std::thread::current().id();
    others.unlisted = 0;
    others.fibers.retain(|fiber| fiber.state == FiberState::Waiting && fiber.thread.ends_with(&format!("({here:?})")));
    let service = shared.name.clone();
    let Ok(subscriber) = foreign(|| tracing::dispatcher::get_default(Clone::clone)) else { return };
    let speak = move || {
        tracing::warn!(
            target: "tower_fiber::interpose",
            service = service.as_deref().unwrap_or(""),
            call,
            unsaid,
            "a fiber has parked its thread, which belongs to all its fibers, so this blocks; what it waits for (a std \
             channel, a parking_lot lock, `thread::park`) must not come from a fiber of the same thread: use what suspends \
             the fiber, of `tower_fiber::sync` or of tokio's by await_in_fiber [TF33]; suspended on this thread are\n{others}"
        );
    };
    // This thread may be in parking_lot's queue, where it can have only one place, and a subscriber may use parking_lot
    // locks. If no other thread can be started, there is no warning.
    let speak = move || tracing::dispatcher::with_default(&subscriber, speak);
    _ = std::thread::Builder::new().name("tower-fiber-warning".into()).spawn(speak);
}

#[cfg(not(feature = "tracing"))]
pub(super) fn warn(_call: &'static str) {}
