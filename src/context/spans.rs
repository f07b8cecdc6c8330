//! The spans that are entered on a thread: those of the task there, and those of each fiber.
//!
//! A subscriber keeps one stack of them for each thread. Each resume takes all of the task's off and puts the fiber's on, and each
//! suspend does it the other way round. That is right also if the same span has been entered twice, or by both.

use tracing::{Dispatch, Id, Span, dispatcher, level_filters::LevelFilter};

/// No subscriber reports more than this many spans that were entered and not left, unless it does not really leave them.
const DEEPEST: usize = 4096;

/// Whether any thread can have entered a span. Until there is a subscriber none can.
#[inline]
pub(super) fn may_exist() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// The span that the fiber lies in.
#[derive(Default)]
pub(super) struct Parent(Option<Span>);

impl Parent {
    pub(super) fn current() -> Self {
        // What most calls find costs a third of a `Span`.
        let is_there = dispatcher::get_default(|dispatch| dispatch.current_span().id().is_some());
        Self(is_there.then(Span::current))
    }

    /// The current one, if there is one and `known` is another.
    pub(super) fn other_than(known: Option<&Self>) -> Option<Self> {
        let known = known.and_then(|parent| parent.0.as_ref()).and_then(Span::id);
        let is_other = dispatcher::get_default(|dispatch| {
            dispatch.current_span().id().is_some_and(|id| known.as_ref() != Some(id))
        });
        is_other.then(|| Self(Some(Span::current())))
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// What a fiber begins with.
    pub(super) fn entered(&self) -> Spans {
        let entered = self.0.as_ref().and_then(|span| {
            span.with_subscriber(|(id, dispatch)| Spans {
                dispatch: Some(dispatch.clone()),
                innermost: Some(id.clone()),
                others: Vec::new(),
            })
        });
        entered.unwrap_or_default()
    }
}

/// Spans that were entered and are not on the thread's stack now. Whoever has entered them keeps them alive: frames of the task or of
/// the fiber, and the fiber's `Parent`.
#[derive(Default)]
pub(super) struct Spans {
    /// Whose ids they are, or were last.
    dispatch: Option<Dispatch>,
    /// Most often there is one at most, which needs no heap.
    innermost: Option<Id>,
    /// From the inner to the outer.
    others: Vec<Id>,
}

impl Spans {
    /// Takes all off that are on the thread's stack, of the subscriber that `last` was put on with.
    #[inline]
    pub(super) fn take_off(last: Option<&Self>) -> Self {
        match last.and_then(|last| last.dispatch.as_ref()) {
            Some(dispatch) => Self::take_off_from(dispatch),
            None => dispatcher::get_default(Self::take_off_from),
        }
    }

    #[inline]
    fn take_off_from(dispatch: &Dispatch) -> Self {
        match dispatch.current_span().id() {
            Some(innermost) => Self::take_off_some(dispatch, innermost),
            None => Self::default(),
        }
    }

    fn take_off_some(dispatch: &Dispatch, innermost: &Id) -> Self {
        dispatch.exit(innermost);
        let mut others = Vec::new();
        while let Some(id) = dispatch.current_span().id() {
            dispatch.exit(id);
            others.push(id.clone());
            if others.len() == DEEPEST {
                break;
            }
        }
        Self { dispatch: Some(dispatch.clone()), innermost: Some(innermost.clone()), others }
    }

    /// Puts them back.
    #[inline]
    pub(super) fn put_on(&mut self) {
        if !self.is_empty() {
            self.put_on_some();
        }
    }

    fn put_on_some(&mut self) {
        if let Some(dispatch) = &self.dispatch {
            self.others.drain(..).rev().for_each(|id| dispatch.enter(&id));
            self.innermost.take().into_iter().for_each(|id| dispatch.enter(&id));
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.innermost.is_none()
    }
}

/// To compare.
#[cfg(debug_assertions)]
pub(super) type CurrentId = Option<Id>;

#[cfg(debug_assertions)]
pub(super) fn current_id() -> CurrentId {
    dispatcher::get_default(|dispatch| dispatch.current_span().id().cloned())
}
