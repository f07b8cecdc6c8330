//! The span and the dispatcher that a fiber lies in.

use tracing::{Dispatch, Id, dispatcher};

use super::{
    Spans,
    scoped::{Dispatcher, Place, address, set_dispatcher},
    taken::{Taken, current_of},
};
use crate::{
    raw::foreign,
    util::{drop_quietly::drop_quietly, seldom::Seldom},
};

/// The span and the dispatcher that a fiber lies in.
#[derive(Default)]
pub(crate) struct Parent {
    span: Seldom<Held>,
    /// The dispatcher of the caller's thread, if that thread had its own.
    dispatch: Option<Dispatch>,
}

impl Parent {
    /// The thread's present span and own dispatcher. `None` if it has neither.
    pub(crate) fn current() -> Option<Self> {
        Self::other_than(None)
    }

    /// Takes over what the thread has now, and keeps the rest.
    pub(crate) fn renew(&mut self) {
        let now = Self::other_than(self.id());
        now.into_iter().for_each(|now| self.change_to(now));
    }

    /// Like `renew`, in a poll, which takes the thread's spans off.
    pub(crate) fn renew_by(&mut self, outside: &mut Spans) {
        let now = Self::taken_off(outside, Some(self));
        now.into_iter().for_each(|now| self.change_to(now));
    }

    fn change_to(&mut self, Self { span, dispatch }: Self) {
        if span.is_some() {
            self.span = span;
        }
        if dispatch.is_some() {
            self.dispatch = dispatch;
        }
    }

    /// What the thread has now, unless that is nothing or the `known` span.
    fn other_than(known: Option<&Id>) -> Option<Self> {
        let place = Place::here();
        let mut span = Seldom::new(None);
        let is_own = dispatcher::get_default(|dispatch| {
            let is_own = place.is(address(dispatch));
            if let Some(id) = dispatch.current_span().id().filter(|id| is_own || known != Some(*id)) {
                *span = Some(Held::new(dispatch, id));
            }
            is_own
        });
        if span.is_none() && !is_own {
            return None;
        }
        Some(Self { span, dispatch: is_own.then(|| dispatcher::get_default(Dispatch::clone)) })
    }

    /// Takes the thread's spans off. Returns what the thread had, unless that is nothing or `known`.
    pub(crate) fn taken_off(outside: &mut Spans, known: Option<&Self>) -> Option<Self> {
        if !dispatcher::has_been_set() {
            return None;
        }
        let place = Place::here();
        let mut found = None;
        dispatcher::get_default(|dispatch| {
            let (id, is_own) = (current_of(dispatch), place.is(address(dispatch)));
            if id.is_some() || is_own {
                found = Some((dispatch.clone(), is_own, id));
            }
        });
        let (dispatch, is_own, id) = found?;
        Self::take_off(outside, dispatch, is_own, id, known)
    }

    fn take_off(
        outside: &mut Spans,
        dispatch: Dispatch,
        is_own: bool,
        id: Option<Id>,
        known: Option<&Self>,
    ) -> Option<Self> {
        let other = id.as_ref().filter(|id| is_own || known.and_then(Self::id) != Some(*id));
        let span = other.map(|id| Held::new(&dispatch, id));
        let now = (span.is_some() || is_own)
            .then(|| Self { span: Seldom::new(span), dispatch: is_own.then(|| dispatch.clone()) });
        if let Some(id) = id {
            let kept = now.as_ref().or(known).filter(|_| !is_own).and_then(Self::kept);
            outside.take_off_first(dispatch, id, kept);
        }
        now
    }

    /// The spans that a fiber begins with.
    pub(crate) fn entered(&self) -> Spans {
        let first = |Held { dispatch, id }: &Held| Taken::first(dispatch.clone(), id.clone());
        Spans(Seldom::new(self.span.as_ref().map(first)))
    }

    /// Makes the caller's dispatcher the thread's, until the guard is dropped.
    #[inline]
    pub(crate) fn set_dispatcher(&self) -> Option<Dispatcher> {
        self.dispatch.as_ref().and_then(set_dispatcher)
    }

    #[inline]
    pub(crate) fn id(&self) -> Option<&Id> {
        self.span.as_ref().map(|span| &span.id)
    }

    /// The span to which this has a reference, if it belongs to the subscriber that most threads have.
    #[inline]
    pub(crate) fn kept(&self) -> Option<Id> {
        if self.dispatch.is_none() { self.id().cloned() } else { None }
    }
}

/// A reference to a span, which cannot be closed meanwhile.
struct Held {
    dispatch: Dispatch,
    id: Id,
}

impl Held {
    fn new(dispatch: &Dispatch, id: &Id) -> Self {
        Self { dispatch: dispatch.clone(), id: dispatch.clone_span(id) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop_quietly(foreign(|| self.dispatch.try_close(self.id.clone())));
    }
}
