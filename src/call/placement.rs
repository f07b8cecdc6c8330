//! Where a call runs.

use std::task::Waker;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::driven::{drives, is_known_here};
use crate::{
    pool::{FiberPool, Worker},
    settings::Placement,
    util::has_timers::has_timers,
    wait::in_fiber,
};

pub(crate) enum Place<'a> {
    /// The caller's own task polls the fiber.
    Here,
    /// A pinned worker polls it, with the caller's runtime entered.
    Worker(&'a FiberPool, Handle),
    /// A `spawn_local` task polls it.
    LocalSet,
}

/// Chooses the place at the first poll, when the caller's runtime is known. `waker` is that of the poll.
///
/// # Panics
///
/// If the choice needs a runtime and none is entered.
#[inline]
pub(crate) fn decide<'a>(placement: Option<&'a Placement>, name: &str, waker: &Waker) -> Place<'a> {
    if is_known_here(placement, waker) { Place::Here } else { look(placement, name, waker) }
}

#[inline(never)]
fn look<'a>(placement: Option<&'a Placement>, name: &str, waker: &Waker) -> Place<'a> {
    let on_pool =
        |pool: &'a FiberPool| if pool.has_current() { Place::Here } else { Place::Worker(pool, runtime(name)) };
    match placement {
        None => Place::Here,
        // A pool worker's task is pinned already.
        Some(Placement::Auto | Placement::InPlace) if Worker::is_current() => Place::Here,
        Some(Placement::Auto) => {
            let runtime = runtime(name);
            // A runtime that another thread drives, or none, would not go on here with a fiber whose caller leaves.
            if drives(&runtime, waker) { Place::Here } else { Place::Worker(FiberPool::process_wide(), runtime) }
        }
        Some(Placement::SharedPool) => on_pool(FiberPool::process_wide()),
        Some(Placement::Pool(pool)) => on_pool(pool),
        // A call inside a fiber stays in that fiber.
        Some(Placement::InPlace) if in_fiber() => Place::Here,
        Some(Placement::InPlace) => {
            if drives(&runtime(name), waker) {
                Place::Here
            } else {
                Place::LocalSet
            }
        }
    }
}

fn runtime(name: &str) -> Handle {
    Handle::try_current().unwrap_or_else(|_| {
        panic!(
            "fiber of service `{name}` was started outside a tokio runtime: await it inside one, or use run_local or \
             block_on_waits, which need none [TF10]"
        )
    })
}

/// # Panics
///
/// If the caller's runtime has no timers.
pub(crate) fn assert_timers(name: &str) {
    assert!(
        has_timers(),
        "fiber of service `{name}` has a grace (`FiberLayer::builder().grace(..)`), but its caller's runtime has no \
         timers: build that with `enable_time` or `enable_all`, or leave out `.grace(..)` [TF11]"
    );
}

/// # Panics
///
/// Always: neither the thread of this call in place nor a `LocalSet` would go on with it.
#[cold]
pub(super) fn refuse_in_place(name: &str) -> ! {
    let why = match runtime(name).runtime_flavor() {
        RuntimeFlavor::CurrentThread => "the current-thread runtime that is entered here is not driven by this thread",
        _ => "this task of a multi-thread runtime may change threads",
    };
    panic!(
        "fiber of service `{name}` is to run in place (`Placement::InPlace`), but {why}: await it inside a tokio LocalSet, or in a task \
         or the `block_on` of a current-thread runtime, or use `Placement::Auto` [TF12]"
    )
}
