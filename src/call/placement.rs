//! Where a call runs.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task,
};

use crate::{
    pool::{FiberPool, Worker},
    settings::Placement,
    timers,
};

thread_local! {
    /// The task that last made a call whose place by default was here.
    static HERE: Cell<Option<task::Id>> = const { Cell::new(None) };
}

pub(crate) enum Place<'a> {
    /// The caller's own task polls the fiber.
    Here,
    /// A pinned worker polls it, with the caller's runtime entered.
    Worker(&'a FiberPool, Handle),
    /// A `spawn_local` task polls it.
    LocalSet,
}

/// Chooses at the first poll, when the caller's runtime is known.
///
/// # Panics
///
/// Without a runtime.
#[inline]
pub(crate) fn decide<'a>(placement: &'a Placement, name: &str) -> Place<'a> {
    if is_known_here(placement) {
        return Place::Here;
    }
    let place = look(placement, name);
    if matches!((placement, &place), (Placement::Auto, Place::Here)) {
        HERE.set(task::try_id());
    }
    place
}

/// Whether the call is one of many whose place is the caller's own task: the runtime of a task does not change.
#[inline]
pub(super) fn is_known_here(placement: &Placement) -> bool {
    let is_same_task = || task::try_id().is_some_and(|task| HERE.get() == Some(task));
    matches!(placement, Placement::Auto) && is_same_task()
}

#[inline(never)]
fn look<'a>(placement: &'a Placement, name: &str) -> Place<'a> {
    match placement {
        // A worker's task is pinned already.
        Placement::Auto if Worker::is_current() => Place::Here,
        Placement::Auto => {
            let runtime = runtime(name);
            match runtime.runtime_flavor() {
                RuntimeFlavor::CurrentThread => Place::Here,
                _ => Place::Worker(FiberPool::process_wide(), runtime),
            }
        }
        Placement::Pool(pool) => {
            let pool = pool.as_ref().unwrap_or_else(|| FiberPool::process_wide());
            if pool.has_current() { Place::Here } else { Place::Worker(pool, runtime(name)) }
        }
        Placement::Inside => Place::Here,
        Placement::InPlace if Worker::is_current() => Place::Here,
        Placement::InPlace => match runtime(name).runtime_flavor() {
            RuntimeFlavor::CurrentThread => Place::Here,
            _ => Place::LocalSet,
        },
    }
}

fn runtime(name: &str) -> Handle {
    Handle::try_current().unwrap_or_else(|_| {
        panic!(
            "fiber of service `{name}` was started outside a tokio runtime: await it inside one, or use run_local or \
             run_blocking, which need none"
        )
    })
}

/// # Panics
///
/// If the caller's runtime has no timers.
pub(crate) fn assert_timers(name: &str) {
    assert!(
        timers::are_there(),
        "fiber of service `{name}` has a grace (`FiberLayer::builder().grace(..)`), but its caller's runtime has no \
         timers: build that with `enable_time` or `enable_all`, or leave out `.grace(..)`"
    );
}

/// Hosts a fiber in the surrounding `LocalSet`.
///
/// # Panics
///
/// Outside a `LocalSet`.
pub(crate) fn spawn_local(task: impl Future<Output = ()> + 'static, name: &str) {
    // tokio says whether there is a `LocalSet` only by panicking.
    if catch_unwind(AssertUnwindSafe(|| task::spawn_local(task))).is_err() {
        panic!(
            "fiber of service `{name}` is to run in place (`FiberLayer::builder().in_place()`), but this task of a \
             multi-thread runtime may change threads: await it inside a tokio LocalSet or on a current-thread runtime, or leave \
             out `.in_place()`"
        );
    }
}
