//! The spans that are entered on a thread: those of the task there, and those of each fiber.
//!
//! A subscriber keeps one stack of them for each thread. Each resume takes all of the task's off and puts the fiber's
//! on, and each suspend does it the other way round. That is right also if the same span has been entered twice, or by
//! both.
//!
//! Subscribers are code of others. One that panics here harms nothing but itself.

mod parent;
mod scoped;
mod taken;

use tracing::{Dispatch, Id, dispatcher, level_filters::LevelFilter};

pub(super) use self::{
    parent::Parent,
    scoped::{Dispatcher, reset_dispatcher},
};
use self::{
    scoped::{Place, address},
    taken::{Taken, current_of},
};
use crate::util::seldom::Seldom;

/// Whether any thread can have entered a span. Until there is a subscriber none can.
#[inline]
pub(super) fn may_exist() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Spans that were entered and are not on the thread's stack now. They are kept from being closed: the guards that have
/// entered them may be dropped by another fiber.
pub(super) struct Spans(Seldom<Taken>);

impl Spans {
    #[inline]
    pub(super) fn none() -> Self {
        Self(Seldom::new(None))
    }

    /// Takes all off that are on the thread's stack, of the subscriber that these were put on with. The fiber that is
    /// about to run, or has run, has a reference of its own to the span `kept`.
    #[inline]
    pub(super) fn take_off(&mut self, kept: Option<Id>) {
        debug_assert!(self.is_empty(), "they are on the stack");
        if self.0.is_some() {
            return self.take_off_again(kept);
        }
        // No more than that, since subscribers find no dispatcher inside of `get_default`.
        let mut found = None;
        dispatcher::get_default(|dispatch| {
            if let Some(id) = current_of(dispatch) {
                found = Some((dispatch.clone(), address(dispatch), id));
            }
        });
        if let Some((dispatch, address, innermost)) = found {
            // The ids of different subscribers cannot be told apart.
            self.take_off_first(dispatch, innermost, kept.filter(|_| !Place::here().is(address)));
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

    /// Puts them back.
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

    /// Whether the outermost of them is this one.
    pub(super) fn lie_in(&self, id: Option<&Id>) -> bool {
        self.0.as_ref().and_then(Taken::outermost) == id
    }

    /// Leaves this one out: what has entered it here was dropped elsewhere.
    #[cold]
    pub(super) fn leave_out(&mut self, id: Option<&Id>) {
        if let (Some(taken), Some(id)) = (&mut *self.0, id) {
            taken.leave_out(id);
        }
    }
}

/// To compare.
#[cfg(debug_assertions)]
pub(super) type CurrentId = Option<Id>;

#[cfg(debug_assertions)]
pub(super) fn current_id() -> CurrentId {
    dispatcher::get_default(current_of)
}
