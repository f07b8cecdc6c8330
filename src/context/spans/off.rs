//! Spans that were entered and are not on the thread's stack now.

use tracing::{Dispatch, Id};

use super::{here::Here, taken::Taken};
use crate::util::seldom::Seldom;

/// Spans that were entered and are not on the thread's stack now. They are kept from being closed, because another
/// fiber may drop the guards that have entered them.
pub(crate) struct Spans(Seldom<Taken>);

impl Spans {
    #[inline]
    pub(crate) fn none() -> Self {
        Self(Seldom::new(None))
    }

    /// The span that a fiber begins with, to which the fiber has a reference.
    pub(crate) fn first(dispatch: Dispatch, id: Id) -> Self {
        Self(Seldom::new(Some(Taken::first(dispatch, id))))
    }

    /// Takes off all spans that are on the thread's stack, of the subscriber with which these were put on. The fiber
    /// that has run has its own reference to the span `kept`.
    #[inline]
    pub(crate) fn take_off(&mut self, kept: Option<Id>) {
        debug_assert!(self.is_empty(), "they are on the stack");
        if self.0.is_some() {
            return self.take_off_again(kept);
        }
        if let Some(here) = Here::look() {
            self.take_off_here(here, kept);
        }
    }

    /// Takes all spans off that are on the thread's stack.
    #[inline]
    pub(crate) fn take_off_here(&mut self, Here { dispatch, is_own, id }: Here, kept: Option<Id>) {
        if let Some(innermost) = id {
            // The ids of different subscribers cannot be told apart.
            self.take_off_first(dispatch, innermost, kept.filter(|_| !is_own));
        }
    }

    fn take_off_first(&mut self, dispatch: Dispatch, innermost: Id, kept: Option<Id>) {
        self.0.get_or_insert_with(|| Taken::new(dispatch)).take_off(innermost, kept.as_ref());
    }

    fn take_off_again(&mut self, kept: Option<Id>) {
        let innermost = self.0.as_ref().and_then(Taken::current);
        match (&mut *self.0, innermost) {
            (Some(taken), Some(innermost)) => taken.take_off(innermost, kept.as_ref()),
            (taken, _) => *taken = None,
        }
    }

    /// Takes off what the fiber has entered on top of the one span that these are, which stays on for the thread. A
    /// fiber that has ended has nothing that is worth keeping.
    pub(crate) fn take_off_all_but_one(&mut self, has_ended: bool) {
        if let Some(taken) = &mut *self.0 {
            taken.take_off_all_but_one(has_ended);
        }
    }

    /// Puts the spans back on.
    #[inline]
    pub(crate) fn put_on(&mut self) {
        if let Some(taken) = self.0.as_mut().filter(|taken| !taken.is_empty()) {
            taken.put_on();
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(Taken::is_empty)
    }

    /// Whether it is one span, and this one.
    #[inline]
    pub(crate) fn are_only(&self, id: Option<&Id>) -> bool {
        self.0.as_ref().and_then(Taken::only) == id
    }

    /// Whether the outermost of the spans is this one.
    pub(crate) fn lie_in(&self, id: Option<&Id>) -> bool {
        self.0.as_ref().and_then(Taken::outermost) == id
    }

    /// Leaves this span out: the guard that has entered it here was dropped elsewhere.
    #[cold]
    pub(crate) fn leave_out(&mut self, id: Option<&Id>) {
        if let (Some(taken), Some(id)) = (&mut *self.0, id) {
            taken.leave_out(id);
        }
    }
}
