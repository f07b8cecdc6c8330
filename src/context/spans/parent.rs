//! The span and the dispatcher that a fiber lies in.

use tracing::{Dispatch, Id};

use super::{
    here::Here,
    off::Spans,
    scoped::{Dispatcher, set_dispatcher},
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
        Self::at(&Here::look()?, None)
    }

    /// What a fiber begins with here, unless that is the `known` span.
    pub(crate) fn at(Here { dispatch, is_own, id }: &Here, known: Option<&Id>) -> Option<Self> {
        // The ids of different subscribers cannot be told apart.
        let other = id.as_ref().filter(|id| *is_own || known != Some(*id));
        let span = other.map(|id| Held::new(dispatch, id));
        (span.is_some() || *is_own)
            .then(|| Self { span: Seldom::new(span), dispatch: is_own.then(|| dispatch.clone()) })
    }

    /// Takes over what the thread has now, and keeps the rest.
    pub(crate) fn renew(&mut self, here: &Here) {
        let Some(Self { span, dispatch }) = Self::at(here, self.id()) else { return };
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
        self.span.as_ref().map_or_else(Spans::none, |Held { dispatch, id }| Spans::first(dispatch.clone(), id.clone()))
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
