//! What surrounds a fiber while it runs.

use super::{
    at_call::Context,
    scope,
    spans::{self, Dispatcher, Parent, Spans},
};
use crate::{
    fiber::Shared,
    util::{drop_quietly::FirstPanic, seldom::Seldom},
};

/// While it exists, the thread's spans and dispatcher are the fiber's.
pub(super) struct Entered<'a> {
    context: &'a mut Option<Box<Context>>,
    dispatcher: Seldom<Dispatcher>,
    /// The thread's own spans.
    outside: Spans,
}

impl<'a> Entered<'a> {
    /// `is_first` if the fiber begins with the span and dispatcher that the thread has now.
    pub(super) fn new(context: &'a mut Option<Box<Context>>, is_first: bool) -> Self {
        let mut outside = Spans::none();
        if is_first {
            Context::in_first_poll(context, &mut outside);
        } else {
            outside.take_off(context.as_ref().and_then(|context| context.parent.kept()));
        }
        let parent = context.as_ref().map(|context| &context.parent);
        let dispatcher = Seldom::new(parent.and_then(|parent| parent.set_dispatcher()));
        if let Some(context) = context {
            context.spans.put_on();
        }
        Self { context, dispatcher, outside }
    }

    /// Passes on the times of a fiber that has ended.
    #[inline]
    pub(super) fn end(&mut self, shared: &Shared) {
        if let (Some(context), Some(meter)) = (&mut *self.context, &shared.meter) {
            context.measured.take().into_iter().for_each(|measured| meter.call_ended(measured.times));
        }
    }

    /// Runs `f` inside the call's task-locals and hooks, unless one of those panics first, and measures how long that
    /// takes without those. Without any, a panic of `f` unwinds.
    #[inline]
    pub(super) fn run(&mut self, panics: &mut FirstPanic, f: impl FnOnce()) {
        let Some(context) = self.context else { return f() };
        let Context { scopes, measured, .. } = &mut **context;
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
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Self { context, dispatcher, outside } = self;
        if let Some(context) = context {
            let Context { parent, spans, lies_in_parent, .. } = &mut **context;
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

/// While it exists, a fiber runs that had nothing around it when it was polled, on a thread without spans. The context
/// is `None`.
pub(super) struct EnteredNothing<'a>(pub(super) &'a mut Option<Box<Context>>);

impl Drop for EnteredNothing<'_> {
    #[inline]
    fn drop(&mut self) {
        keep_spans(self.0);
    }
}

/// Makes a context for the spans that the fiber has entered, if there are any.
#[inline]
fn keep_spans(context: &mut Option<Box<Context>>) {
    let mut spans = Spans::none();
    spans.take_off(None);
    if !spans.is_empty() {
        context.insert(Context::new(Parent::default(), Vec::new())).spans = spans;
    }
}
