//! The spans that are entered on a thread: those of its task, and those of each fiber.
//!
//! A subscriber keeps one stack of spans for each thread. Each resume takes all spans of the task off and puts the
//! fiber's on, and each suspend does the reverse. That is right even if the same span has been entered twice, or by
//! both.
//!
//! A task has most often entered one span, in which its fiber began. The first poll finds that out by taking it off.
//! In later polls such a span stays on, because a suspend can tell it from what the fiber has entered.
//!
//! Subscribers are foreign code. A subscriber that panics here harms nothing but itself.

mod parent;
mod scoped;
mod taken;

use tracing::{Dispatch, Id, dispatcher, level_filters::LevelFilter};

use self::taken::{Taken, current_of};
pub(super) use self::{
    parent::{Here, Parent},
    scoped::{Dispatcher, reset_dispatcher},
};
use crate::util::seldom::Seldom;

/// Whether any thread can have entered a span. None can until a subscriber exists.
#[inline]
pub(super) fn may_exist() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Spans that were entered and are not on the thread's stack now. They are kept from being closed, because another
/// fiber may drop the guards that have entered them.
pub(super) struct Spans(Seldom<Taken>);

impl Spans {
    #[inline]
    pub(super) fn none() -> Self {
        Self(Seldom::new(None))
    }

    /// Takes off all spans that are on the thread's stack, of the subscriber with which these were put on. The fiber
    /// that has run has its own reference to the span `kept`.
    #[inline]
    pub(super) fn take_off(&mut self, kept: Option<Id>) {
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
    pub(super) fn take_off_here(&mut self, Here { dispatch, is_own, id }: Here, kept: Option<Id>) {
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
    pub(super) fn take_off_all_but_one(&mut self, has_ended: bool) {
        if let Some(taken) = &mut *self.0 {
            taken.take_off_all_but_one(has_ended);
        }
    }

    /// Puts the spans back on.
    #[inline]
    pub(super) fn put_on(&mut self) {
        if let Some(taken) = self.0.as_mut().filter(|taken| !taken.is_empty()) {
            taken.put_on();
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(Taken::is_empty)
    }

    /// Whether it is one span, and this one.
    #[inline]
    pub(super) fn are_only(&self, id: Option<&Id>) -> bool {
        self.0.as_ref().and_then(Taken::only) == id
    }

    /// Whether the outermost of the spans is this one.
    pub(super) fn lie_in(&self, id: Option<&Id>) -> bool {
        self.0.as_ref().and_then(Taken::outermost) == id
    }

    /// Leaves this span out: the guard that has entered it here was dropped elsewhere.
    #[cold]
    pub(super) fn leave_out(&mut self, id: Option<&Id>) {
        if let (Some(taken), Some(id)) = (&mut *self.0, id) {
            taken.leave_out(id);
        }
    }
}

/// The current span, to be compared.
#[cfg(debug_assertions)]
pub(super) type CurrentId = Option<Id>;

#[cfg(debug_assertions)]
pub(super) fn current_id() -> CurrentId {
    dispatcher::get_default(current_of)
}
