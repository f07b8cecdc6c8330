//! Each thread's current fiber.

use std::{cell::Cell, ptr::NonNull};

use super::State;

thread_local! {
    static CURRENT: Cell<Option<NonNull<State>>> = const { Cell::new(None) };
}

/// The fiber around one that is resumed, if any.
pub(crate) struct Outer<'a>(Option<&'a State>);

impl<'a> Outer<'a> {
    #[inline]
    pub(crate) fn state(&self) -> Option<&'a State> {
        self.0
    }
}

/// Calls `f` with the fiber that this code runs on, as the one around any fiber that `f` resumes.
#[inline(always)]
pub(crate) fn with_outer<R>(f: impl FnOnce(&Outer<'_>) -> R) -> R {
    with_current(|state| f(&Outer(state)))
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

/// The address of the current fiber's state, or zero. May be called in a signal handler.
#[inline]
pub(in crate::raw) fn address() -> usize {
    CURRENT.get().map_or(0, |state| state.addr().get())
}

// `LocalKey::set` is not used here: it would add a function for the case of a first use, which does not occur.

/// Makes `state` the current fiber. Only for the fiber itself, while it executes (invariant 3).
#[inline]
pub(in crate::raw) fn make_current(state: &State) {
    CURRENT.with(|current| current.set(Some(NonNull::from(state))));
}

/// Restores the former current fiber when control has returned from a resumed one.
pub(in crate::raw) struct Restore(Option<NonNull<State>>);

impl Restore {
    #[inline]
    pub(in crate::raw) fn new(outer: &Outer<'_>) -> Self {
        let former = outer.state().map(NonNull::from);
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
