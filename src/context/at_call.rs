//! What a call takes along from where it is made, and from where it is first polled.

use std::panic::resume_unwind;

use super::{
    entered::Entered,
    measured::Measured,
    scope::Scope,
    scopes::Scopes,
    spans::{self, Here, Parent, Spans},
};
#[cfg(feature = "lint")]
use crate::diagnostics::lint;
use crate::util::drop_quietly::{FirstPanic, drop_quietly};

/// The context that a call is made with.
pub(crate) struct AtCall(Option<Box<Context>>);

impl AtCall {
    #[inline]
    pub(crate) fn new(scopes: Option<&Scopes>) -> Self {
        Self(if scopes.is_some() || spans::may_exist() { Context::at_call(scopes) } else { None })
    }

    /// For code that leaves its thread for a thread that may block.
    pub(crate) fn leaving(scopes: Option<&Scopes>) -> Self {
        let parent = if spans::may_exist() { Parent::current() } else { None };
        Self((parent.is_some() || scopes.is_some()).then(|| {
            let scopes = scopes.map(Scopes::of_child).unwrap_or_default();
            let mut context = Context::new(parent.unwrap_or_default(), scopes);
            context.begin_now();
            context
        }))
    }

    /// Runs that code on the other thread.
    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let Self(mut context) = self;
        if context.is_none() {
            return f();
        }
        let (mut panics, mut result) = (FirstPanic::default(), None);
        let mut entered = Entered::new(&mut context, false);
        entered.run(&mut panics, || result = Some(f()));
        drop(entered);
        drop(context);
        match panics.into_payload() {
            None => result.expect("it runs if nothing panics before"),
            Some(payload) => {
                drop_quietly(result);
                resume_unwind(payload)
            }
        }
    }

    /// Whether a call that is made with this has nothing around it if it is polled now.
    #[cfg(feature = "axum")]
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        is_plain(self.0.as_deref())
    }

    #[inline]
    pub(super) fn into_context(self) -> Option<Box<Context>> {
        self.0
    }
}

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

/// The context of one fiber.
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
    fn at_call(scopes: Option<&Scopes>) -> Option<Box<Self>> {
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

    fn begin_now(&mut self) {
        self.spans = self.parent.entered();
        self.lies_in_parent = !self.spans.is_empty();
        self.has_begun = true;
    }
}
