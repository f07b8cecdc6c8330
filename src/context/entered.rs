//! What surrounds a fiber while it runs.

use super::{
    of_fiber::Context,
    scope,
    spans::{self, Dispatcher, Here, Parent, Spans},
};
use crate::{
    fiber::Shared,
    util::{drop_quietly::FirstPanic, seldom::Seldom},
};

/// While it exists, the thread's spans and dispatcher are the fiber's.
pub(super) enum Entered<'a> {
    Nothing(Nothing<'a>),
    Around(Around<'a>),
}

/// A fiber runs that had neither spans nor a dispatcher when it was polled, on a thread without spans.
pub(super) struct Nothing<'a>(&'a mut Option<Box<Context>>);

/// A fiber runs that has spans or a dispatcher, or whose thread has spans or a dispatcher of its own.
pub(super) struct Around<'a> {
    context: &'a mut Option<Box<Context>>,
    dispatcher: Seldom<Dispatcher>,
    /// The thread's own spans.
    outside: Spans,
    /// Whether the thread's only span is the fiber's as well. It was left on, which costs each poll an exit and an
    /// entry less.
    is_shared: bool,
    has_ended: bool,
}

impl<'a> Entered<'a> {
    /// `is_first` if the fiber begins with the span and dispatcher that the thread has now.
    #[inline]
    pub(super) fn new(context: &'a mut Option<Box<Context>>, is_first: bool) -> Self {
        match Here::look() {
            None if context.as_ref().is_none_or(|context| context.has_no_spans()) => Self::Nothing(Nothing(context)),
            here => Self::around(context, here, is_first),
        }
    }

    /// Makes the value in its place, which is large.
    #[inline(never)]
    fn around(context: &'a mut Option<Box<Context>>, here: Option<Here>, is_first: bool) -> Self {
        if is_first {
            Context::in_first_poll(context, here.as_ref());
        }
        let mut outside = Spans::none();
        let is_shared = here.is_some_and(|here| take_off(context.as_deref_mut(), here, &mut outside));
        let parent = context.as_ref().map(|context| &context.parent);
        let dispatcher = Seldom::new(parent.and_then(|parent| parent.set_dispatcher()));
        if let Some(context) = context.as_mut().filter(|_| !is_shared) {
            context.spans.put_on();
        }
        Self::Around(Around { context, dispatcher, outside, is_shared, has_ended: false })
    }

    /// Called when the fiber has ended. Passes on its times.
    #[inline]
    pub(super) fn end(&mut self, shared: &Shared) {
        if let Self::Around(Around { has_ended, .. }) = self {
            *has_ended = true;
        }
        if let (Some(context), Some(meter)) = (self.context(), &shared.meter) {
            context.measured.take().into_iter().for_each(|measured| meter.call_ended(measured.times));
        }
    }

    /// Measures how long a first stretch takes, if there was one.
    #[inline]
    pub(super) fn measure<R>(&mut self, f: impl FnOnce() -> Option<R>) -> Option<R> {
        let context = self.context();
        let Some(measured) = context.and_then(|context| context.measured.as_mut()) else { return f() };
        let resumed = measured.resume();
        let result = f();
        if result.is_some() {
            measured.pause(resumed);
        }
        result
    }

    /// Runs `f` inside the call's task-locals and hooks, unless one of those panics first, and measures how long that
    /// takes without those. Without any, a panic of `f` unwinds.
    #[inline]
    pub(super) fn run(&mut self, panics: &mut FirstPanic, f: impl FnOnce()) {
        let Some(Context { scopes, measured, .. }) = self.context() else { return f() };
        let f = || match measured {
            Some(measured) => {
                let resumed = measured.resume();
                f();
                measured.pause(resumed);
            }
            None => f(),
        };
        if scopes.is_empty() {
            return f();
        }
        let mut f = Some(f);
        scope::enter(scopes, panics, &mut |panics| {
            f.take().into_iter().for_each(|f| panics.run(f));
        });
    }

    #[inline]
    fn context(&mut self) -> Option<&mut Context> {
        let (Self::Nothing(Nothing(context)) | Self::Around(Around { context, .. })) = self;
        context.as_deref_mut()
    }
}

/// Takes the thread's spans off, unless there is one that the fiber shares.
fn take_off(context: Option<&mut Context>, here: Here, outside: &mut Spans) -> bool {
    let Some(Context { parent, spans, parent_is_alone, .. }) = context else {
        outside.take_off_here(here, None);
        return false;
    };
    let is_parent = parent.is(&here) && spans.are_only(parent.id());
    if !(is_parent && *parent_is_alone) {
        outside.take_off_here(here, parent.kept());
        *parent_is_alone = is_parent && outside.are_only(parent.id());
        if *parent_is_alone {
            outside.put_on();
        }
    }
    *parent_is_alone
}

impl Drop for Around<'_> {
    fn drop(&mut self) {
        let Self { context, dispatcher, outside, is_shared, has_ended } = self;
        if let Some(context) = context {
            let Context { parent, spans, lies_in_parent, .. } = &mut **context;
            if *is_shared {
                spans.take_off_all_but_one(*has_ended);
                *lies_in_parent = spans.lie_in(parent.id());
                return;
            }
            spans.take_off(parent.kept());
            spans::reset_dispatcher(dispatcher);
            if *lies_in_parent && !spans.lie_in(parent.id()) {
                *lies_in_parent = false;
                outside.leave_out(parent.id());
            }
        } else {
            keep_spans(context);
        }
        outside.put_on();
    }
}

impl Drop for Nothing<'_> {
    #[inline]
    fn drop(&mut self) {
        keep_spans(self.0);
    }
}

/// Keeps the spans that the fiber has entered, if there are any, in its context.
#[inline]
fn keep_spans(context: &mut Option<Box<Context>>) {
    let mut spans = Spans::none();
    spans.take_off(None);
    if !spans.is_empty() {
        context.get_or_insert_with(|| Context::new(Parent::default(), Vec::new())).spans = spans;
    }
}
