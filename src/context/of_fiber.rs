//! The context of one fiber.

use super::{
    measured::Measured,
    scope::Scope,
    scopes::Scopes,
    spans::{self, Here, Parent, Spans},
};
#[cfg(feature = "lint")]
use crate::diagnostics::lint;

/// Whether a fiber with this context has nothing around it if it is polled now.
#[inline]
pub(super) fn is_plain(context: Option<&Context>) -> bool {
    context.is_none() && !spans::may_exist() && !is_lint_on()
}

#[inline]
pub(super) fn is_lint_on() -> bool {
    #[cfg(feature = "lint")]
    let is_on = lint::is_on();
    #[cfg(not(feature = "lint"))]
    let is_on = false;
    is_on
}

/// What is around one fiber while it runs.
pub(super) struct Context {
    pub(super) parent: Parent,
    /// The spans that the fiber has entered, while it does not run.
    pub(super) spans: Spans,
    /// Whether the outermost of `spans` is the span in which the fiber began.
    pub(super) lies_in_parent: bool,
    /// Whether that span was the thread's only one in the first poll, and had been entered once.
    pub(super) parent_is_alone: bool,
    pub(super) scopes: Vec<Box<dyn Scope>>,
    /// The call's times, if its layer has metrics.
    pub(super) measured: Option<Measured>,
    /// Whether it is known what the fiber begins with.
    has_begun: bool,
}

impl Context {
    pub(super) fn new(parent: Parent, scopes: Vec<Box<dyn Scope>>) -> Box<Self> {
        let (spans, measured) = (Spans::none(), None);
        Box::new(Self {
            parent,
            spans,
            lies_in_parent: false,
            parent_is_alone: false,
            scopes,
            measured,
            has_begun: false,
        })
    }

    #[cold]
    pub(super) fn at_call(scopes: Option<&Scopes>) -> Option<Box<Self>> {
        let parent = if spans::may_exist() { Parent::current() } else { None };
        if parent.is_none() && scopes.is_none() {
            return None;
        }
        let parent = parent.unwrap_or_default();
        let Some(scopes) = scopes else { return Some(Self::new(parent, Vec::new())) };
        if scopes.are_of_children() {
            let mut context = Self::new(parent, scopes.of_child());
            context.begin_now();
            return Some(context);
        }
        let mut context = Self::new(parent, scopes.at_call());
        context.measured = scopes.is_measured().then(Measured::default);
        Some(context)
    }

    #[cold]
    pub(super) fn at_first_poll(context: &mut Option<Box<Self>>) {
        let context = match context {
            Some(context) if context.has_begun => return,
            Some(context) => {
                if let Some(here) = Here::look() {
                    context.parent.renew(&here);
                }
                context
            }
            None => {
                let Some(parent) = Parent::current() else { return };
                context.insert(Self::new(parent, Vec::new()))
            }
        };
        context.scopes.iter_mut().for_each(|scope| scope.begin());
        context.begin_now();
    }

    /// Like `at_first_poll`, inside that poll, which looks at what is here anyway.
    pub(super) fn in_first_poll(context: &mut Option<Box<Self>>, here: Option<&Here>) {
        let context = match (context, here) {
            (Some(context), _) if context.has_begun => return,
            (Some(context), here) => {
                debug_assert!(context.scopes.is_empty(), "they begin with everything in place");
                here.into_iter().for_each(|here| context.parent.renew(here));
                context
            }
            (context, here) => {
                let Some(parent) = here.and_then(|here| Parent::at(here, None)) else { return };
                context.insert(Self::new(parent, Vec::new()))
            }
        };
        context.begin_now();
    }

    /// Whether the fiber has neither spans nor a dispatcher.
    #[inline]
    pub(super) fn has_no_spans(&self) -> bool {
        self.parent.is_nothing() && self.spans.is_empty()
    }

    pub(super) fn begin_now(&mut self) {
        self.spans = self.parent.entered();
        self.lies_in_parent = !self.spans.is_empty();
        self.has_begun = true;
    }
}
