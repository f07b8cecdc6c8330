//! Whether a waker belongs to a tokio task itself.

use std::{
    future::{Future as _, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    ptr,
    sync::{
        Once,
        atomic::{AtomicPtr, Ordering},
    },
    task::{Context, Poll, RawWakerVTable, Waker},
};

use tokio::task::LocalSet;

use crate::util::drop_quietly::drop_quietly;

/// The vtable that the wakers of all tokio tasks share, and no other waker has. Null until it is known.
static VTABLE: AtomicPtr<RawWakerVTable> = AtomicPtr::new(ptr::null_mut());

/// Whether the poll with this waker is that of a tokio task, and not one that a combinator or a runtime makes inside
/// the task. `false` until the process has [learned](learn) what such wakers look like.
#[inline]
pub(super) fn is_of_task(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), VTABLE.load(Ordering::Relaxed))
}

/// Looks at the waker of a task, once. If that fails, no waker counts as a task's.
#[cold]
pub(super) fn learn() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(look)) {
            drop_quietly(payload);
        }
    });
}

fn look() {
    // A `LocalSet` needs no runtime, and runs its tasks inside its own poll.
    let set = LocalSet::new();
    let task = poll_fn(|cx| {
        VTABLE.store(ptr::from_ref(cx.waker().vtable()).cast_mut(), Ordering::Relaxed);
        Poll::Ready(())
    });
    set.spawn_local(task);
    _ = pin!(set).poll(&mut Context::from_waker(Waker::noop()));
}
