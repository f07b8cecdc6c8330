//! Fibers in the tokio `LocalSet` around their caller.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task;

use crate::util::drop_quietly::drop_quietly;

thread_local! {
    /// Whether this thread is polling a task that was spawned here, so that a `LocalSet` is around the running code.
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is polling a fiber that a `LocalSet` owns. tokio itself tells whether a `LocalSet` is around
/// only by panicking.
pub(super) fn is_here() -> bool {
    IS_HERE.get()
}

/// Spawns a fiber's task in the surrounding `LocalSet`. Returns `false` if there is none; tokio has then said so on
/// standard error.
pub(super) fn spawn(task: Pin<Box<dyn Future<Output = ()>>>) -> bool {
    let spawned = catch_unwind(AssertUnwindSafe(|| task::spawn_local(Inside(task))));
    spawned.map(drop).map_err(drop_quietly).is_ok()
}

/// A task of a `LocalSet`. It has one type for all calls, because tokio's part of a task is compiled for each type.
struct Inside(Pin<Box<dyn Future<Output = ()>>>);

impl Future for Inside {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _restore = Restore(IS_HERE.replace(true));
        self.0.as_mut().poll(cx)
    }
}

struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        IS_HERE.set(self.0);
    }
}
