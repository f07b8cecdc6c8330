//! Whether this thread drives a runtime.

use std::{
    cell::Cell,
    future::Future as _,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Wake, Waker},
};

use tokio::{
    runtime::{self, Handle, RuntimeFlavor, worker_index},
    task,
};

use super::task_waker;
use crate::settings::Placement;

thread_local! {
    /// The task that this thread was last seen polling for the runtime that it drives.
    static TASK: Cell<Option<task::Id>> = const { Cell::new(None) };
    /// That runtime.
    static RUNTIME: Cell<Option<runtime::Id>> = const { Cell::new(None) };
    /// Whether the probe's waker was called.
    static WAS_WOKEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether the scheduler of a current-thread runtime is known to make the poll with this waker. A task never changes
/// its runtime. A runtime that blocks on something inside the task polls with other wakers.
#[inline]
pub(super) fn is_known(waker: &Waker) -> bool {
    let is_same_task = || TASK.get().is_some_and(|task| task::try_id() == Some(task));
    task_waker::is_of_task(waker) && is_same_task()
}

/// Whether a call with this placement is of the common kind that runs in the task being polled.
#[inline]
pub(super) fn is_known_here(placement: Option<&Placement>, waker: &Waker) -> bool {
    matches!(placement, Some(Placement::Auto)) && is_known(waker)
}

/// Whether this thread, and no other, polls the tasks of `runtime`: the runtime has one thread, and it is this one.
/// `runtime` is entered, but that says nothing, because any thread may enter it for its timers and sockets. `waker` is
/// that of the current poll.
#[inline]
pub(super) fn drives(runtime: &Handle, waker: &Waker) -> bool {
    (is_known(waker) && is_of_known_task(runtime)) || find_out(runtime, waker)
}

/// Whether `runtime` is the runtime of the task that [`is_known`] recognises.
#[inline]
pub(super) fn is_of_known_task(runtime: &Handle) -> bool {
    RUNTIME.get() == Some(runtime.id())
}

#[inline(never)]
fn find_out(runtime: &Handle, waker: &Waker) -> bool {
    let drives = look(runtime);
    if drives {
        task_waker::learn();
        if task_waker::is_of_task(waker) {
            TASK.set(task::try_id());
            RUNTIME.set(Some(runtime.id()));
        }
    }
    drives
}

fn look(runtime: &Handle) -> bool {
    runtime.runtime_flavor() == RuntimeFlavor::CurrentThread
        // Index 0 is the worker of a runtime with one thread, or the first worker of one with many.
        && worker_index() == Some(0)
        // Inside a `block_in_place` the surrounding worker still has its index, but no control.
        && (task::try_id().is_none() || has_control())
        && !is_parked(runtime)
}

/// Whether a scheduler polls on this thread: a scheduler defers the wake of a task that yields.
fn has_control() -> bool {
    static PROBE: LazyLock<Waker> = LazyLock::new(|| Waker::from(Arc::new(Probe)));

    struct Probe;

    impl Wake for Probe {
        fn wake(self: Arc<Self>) {
            WAS_WOKEN.set(true);
        }
    }

    WAS_WOKEN.set(false);
    _ = pin!(task::yield_now()).poll(&mut Context::from_waker(&PROBE));
    !WAS_WOKEN.get()
}

/// Whether the thread that drives this runtime sleeps; if so, it is not this thread.
#[cfg(target_has_atomic = "64")]
fn is_parked(runtime: &Handle) -> bool {
    runtime.metrics().worker_park_unpark_count(0) % 2 == 1
}

#[cfg(not(target_has_atomic = "64"))]
fn is_parked(_: &Handle) -> bool {
    false
}
