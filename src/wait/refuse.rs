//! Refuses, unwinds or aborts where a wait is not possible.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    process,
};

use crate::{
    error::{BORROWED, Cancelled, IN_CALLBACK, NESTED, NO_WAIT, NOT_IN_FIBER, ON_THREAD_STACK, TryAwaitError},
    fiber::{Event, StateExt as _},
    raw::{At, State},
};

/// Hands the future back in an error if no wait is possible here.
#[inline]
pub(super) fn refuse_misplaced<F>(state: &State, future: F) -> Result<F, TryAwaitError<F>> {
    if !state.is_misplaced() {
        return Ok(future);
    }
    count_refused(state);
    Err(if state.is_in_no_wait() {
        TryAwaitError::NoWait(future)
    } else if state.is_foreign() {
        TryAwaitError::InCallback(future)
    } else if state.is_on_thread_stack() {
        TryAwaitError::OnThreadStack(future)
    } else {
        TryAwaitError::Nested(future)
    })
}

pub(super) fn count_refused(state: &State) {
    state.with_shared(|shared, _| shared.count(Event::RefusedWait));
}

#[cold]
#[track_caller]
pub(super) fn refuse<F>(error: &TryAwaitError<F>) -> ! {
    match error {
        TryAwaitError::Nested(_) => panic!("{NESTED}"),
        TryAwaitError::OnThreadStack(_) => panic!("{ON_THREAD_STACK}"),
        TryAwaitError::InCallback(_) => panic!("{IN_CALLBACK}"),
        TryAwaitError::NoWait(_) => panic!("{NO_WAIT}"),
        _ => panic!("{NOT_IN_FIBER}"),
    }
}

/// Panics as a wait at `at` does.
#[cold]
pub(super) fn refuse_borrowed(state: &State, at: At) -> ! {
    count_refused(state);
    panic!("{BORROWED} ({at})")
}

/// Unwinds a cancelled fiber from a wait.
#[cold]
pub(super) fn unwind(state: &State, at: At) -> ! {
    state.count_unwind(at);
    resume_unwind(Box::new(Cancelled))
}

/// Cuts a wait that has begun. The future is dropped before the fiber unwinds, because a panic of its destructor during
/// unwinding would end the process. If the destructor panics, the fiber unwinds with that panic instead.
#[cold]
pub(super) fn cut<F>(state: &State, mut awaited: Pin<&mut Option<F>>, at: At) -> ! {
    state.count_unwind(at);
    match catch_unwind(AssertUnwindSafe(|| awaited.set(None))) {
        Ok(()) => resume_unwind(Box::new(Cancelled)),
        Err(payload) => resume_unwind(payload),
    }
}

/// Ends the process, because there is no alternative: if the fiber suspended, `thread::panicking()` would be true for
/// the thread's other tasks, and an infallible wait has no error to return.
#[cold]
pub(super) fn end_process(state: &State, at: At) -> ! {
    state.with_shared(|shared, label| {
        eprintln!(
            "fiber of service `{}`: await_in_fiber at {at} would have to suspend while its thread is panicking, \
             which is not possible, and it has no error to return; in destructors and panic hooks wait by \
             try_await_in_fiber or through io::FiberIo, which give errors, or only for what is ready at once. The process ends here. [TF09]",
            shared.name_or(label),
        );
    });
    process::abort()
}
