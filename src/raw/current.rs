//! The current fiber of this thread, as a stack discipline.

use std::{cell::Cell, ptr::NonNull};

use super::State;

thread_local! {
    static CURRENT: Cell<Option<NonNull<State>>> = const { Cell::new(None) };
}

/// Calls `f` with the state of the fiber that this code runs on, or `None` on a thread's own stack.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&State>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: invariant 3: a state in the slot is that of the fiber whose stack is executing, so by invariant 4 it
    // lives until frames below this one return; the reference cannot outlive this call. Only shared references to a
    // `State` are ever made.
    let state = current.map(|state| unsafe { state.as_ref() });
    f(state)
}

/// Where the current fiber's state lies, or zero. May be called in a signal handler.
#[inline]
pub(super) fn address() -> usize {
    CURRENT.get().map_or(0, |state| state.addr().get())
}

// `LocalKey::set` is not used here: it is a function of its own for the case of a first use, which there is none of.

/// Makes `state` the current fiber. Only for the fiber itself, while it executes (invariant 3).
#[inline]
pub(super) fn enter(state: &State) {
    CURRENT.with(|current| current.set(Some(NonNull::from(state))));
}

/// Puts the former current fiber back when control has returned from a resumed one.
pub(super) struct Restore(Option<NonNull<State>>);

impl Restore {
    #[inline]
    pub(super) fn new(former: Option<NonNull<State>>) -> Self {
        debug_assert_eq!(former, CURRENT.get());
        Self(former)
    }
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}
