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
        Here::look()?.parent_other_than(None)
    }

    /// Takes over what the thread has now, and keeps the rest.
    pub(crate) fn renew(&mut self, here: &Here) {
        let Some(Self { span, dispatch }) = here.parent_other_than(self.id()) else { return };
        if span.is_some() {
            self.span = span;
        }
        if dispatch.is_some() {
            self.dispatch = dispatch;
        }
    }

    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        self.span.is_none() && self.dispatch.is_none()
    }

    /// Whether this is the thread's current span, of the subscriber that most threads have.
    #[inline]
    pub(crate) fn is(&self, Here { is_own, id, .. }: &Here) -> bool {
        !is_own && self.dispatch.is_none() && self.id() == id.as_ref()
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

/// What a thread has: a current span, a dispatcher of its own, or both.
pub(crate) struct Here {
    pub(super) dispatch: Dispatch,
    /// Whether `dispatch` is the thread's own.
    pub(super) is_own: bool,
    pub(super) id: Option<Id>,
}

impl Here {
    /// `None` if this thread has neither.
    #[inline]
    pub(crate) fn look() -> Option<Self> {
        if !dispatcher::has_been_set() {
            return None;
        }
        let place = Place::here();
        let mut found = None;
        // Nothing more is done in here, because subscribers find no dispatcher inside `get_default`.
        dispatcher::get_default(|dispatch| {
            let (id, is_own) = (current_of(dispatch), place.is(address(dispatch)));
            if id.is_some() || is_own {
                found = Some(Self { dispatch: dispatch.clone(), is_own, id });
            }
        });
        found
    }

    /// What a fiber begins with here, unless that is the `known` span.
    pub(crate) fn parent_other_than(&self, known: Option<&Id>) -> Option<Parent> {
        let Self { dispatch, is_own, id } = self;
        // The ids of different subscribers cannot be told apart.
        let other = id.as_ref().filter(|id| *is_own || known != Some(*id));
        let span = other.map(|id| Held::new(dispatch, id));
        (span.is_some() || *is_own)
            .then(|| Parent { span: Seldom::new(span), dispatch: is_own.then(|| dispatch.clone()) })
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
