//! What follows a call into its fiber, and stays away from other tasks of the thread: spans, task-locals, hooks.
//!
//! ```text
//! InContext::poll ── spans of the thread off, of the fiber on ── carried task-locals set ── hooks ── Fiber::poll
//!                 ◄─ the other way round, when the fiber has suspended or ended, also by unwinding ─┘
//! ```

mod attendant;
#[cfg(debug_assertions)]
mod canary;
mod carry;
mod hook;
mod local;
#[cfg(feature = "metrics")]
mod measured;
mod never_waits;
#[cfg_attr(not(feature = "tracing"), path = "no_spans.rs")]
mod spans;

use std::{
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    task::Context as TaskContext,
};

pub(crate) use self::attendant::Attendants;
use self::{
    attendant::{Attendant, attend},
    spans::{Parent, Spans},
};
pub use self::{hook::Hook, local::FiberLocal};
use crate::raw::{Caller, Ending, Fiber, Job, Meta};
#[cfg(feature = "lint")]
use crate::{lint, raw::Phase};

/// A fiber, and what is its own while it runs.
pub(crate) struct InContext<J: Job> {
    fiber: Fiber<J>,
    /// Most calls have none, so that it is dropped by hand: glue that looks for it would cost each call a function.
    context: ManuallyDrop<Option<Box<Context>>>,
}

/// Whether a fiber with this context has nothing around it if it is polled now.
#[inline]
fn is_bare(context: Option<&Context>) -> bool {
    #[cfg(feature = "lint")]
    if lint::is_on() {
        return false;
    }
    // Debug builds put a canary around each.
    context.is_none() && !spans::may_exist() && !cfg!(debug_assertions)
}

/// What a call is made with.
pub(crate) struct AtCall(Option<Box<Context>>);

impl AtCall {
    #[inline]
    pub(crate) fn new(attendants: Option<&Attendants>, meta: &Arc<Meta>, label: &'static str) -> Self {
        Self(if attendants.is_some() || spans::may_exist() { Context::at_call(attendants, meta, label) } else { None })
    }

    /// Whether a call that is made with it has nothing around it if it is polled now.
    #[cfg(feature = "axum")]
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        is_bare(self.0.as_deref())
    }
}

#[derive(Default)]
struct Context {
    parent: Parent,
    /// Those that the fiber has entered, while it does not run.
    spans: Spans,
    attendants: Vec<Box<dyn Attendant>>,
}

impl<J: Job> InContext<J> {
    /// Separate from what runs code for the context: nothing is to be dropped then but that, so that a fiber is made in its place.
    #[inline]
    pub(crate) fn new(fiber: Fiber<J>, AtCall(context): AtCall) -> Self {
        Self { fiber, context: ManuallyDrop::new(context) }
    }

    /// In the caller's task, before anything is polled: where it awaits the call is what an async function would see.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if self.context.is_some() || spans::may_exist() {
            Context::at_first_poll(&mut self.context);
        }
    }

    /// Whether the fiber has nothing around it if it is polled now.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        is_bare(self.context.as_deref())
    }

    /// Polls the fiber in its context. `ending` is `Pending`.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut TaskContext<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        #[cfg(feature = "lint")]
        if let Some(before) = lint::look() {
            return self.poll_linted(before, cx, caller, ending);
        }
        self.poll_unlinted(cx, caller, ending);
    }

    /// With the lint on: outside of everything else, where other tasks of the thread see what is left.
    #[cfg(feature = "lint")]
    #[cold]
    fn poll_linted(
        &mut self,
        before: lint::Snapshot,
        cx: &mut TaskContext<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        self.poll_unlinted(cx, caller, ending);
        let is_waiting = self.fiber.phase() == Phase::Suspended;
        before.compare(self.fiber.name(), self.fiber.waits_at().filter(|_| is_waiting));
    }

    #[inline]
    fn poll_unlinted(
        &mut self,
        cx: &mut TaskContext<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        // Layers with a watch give each call a context.
        if self.is_bare() {
            return self.fiber.poll(cx, caller, ending);
        }
        self.poll_within(cx, caller, ending);
    }

    #[inline(never)]
    fn poll_within(
        &mut self,
        cx: &mut TaskContext<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        let Self { fiber, context } = self;
        #[cfg(debug_assertions)]
        let canary = canary::Canary::new();
        let mut entered = Entered::new(context);
        entered.attended(|| {
            let manned = fiber.is_watched().then(|| fiber.man_post(cx));
            fiber.poll(cx, caller, ending);
            if manned.is_some() {
                drop(manned);
                fiber.leave_post();
            }
        });
        if ending.is_ready() {
            entered.end();
        }
        drop(entered);
        #[cfg(debug_assertions)]
        canary.compare(fiber.name(), fiber.waits_at());
    }
}

impl<J: Job> Drop for InContext<J> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.context.is_some() {
            drop_context(self.context.take());
        }
    }
}

#[cold]
fn drop_context(context: Option<Box<Context>>) {
    drop(context);
}

impl<J: Job> Deref for InContext<J> {
    type Target = Fiber<J>;

    #[inline]
    fn deref(&self) -> &Fiber<J> {
        &self.fiber
    }
}

impl<J: Job> DerefMut for InContext<J> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Fiber<J> {
        &mut self.fiber
    }
}

impl Context {
    #[cold]
    fn at_call(attendants: Option<&Attendants>, meta: &Arc<Meta>, label: &'static str) -> Option<Box<Self>> {
        let parent = Parent::current();
        if parent.is_none() && attendants.is_none() {
            return None;
        }
        let attendants = attendants.map(|attendants| attendants.at_call(meta, label)).unwrap_or_default();
        Some(Box::new(Self { parent, attendants, ..Self::default() }))
    }

    #[cold]
    fn at_first_poll(context: &mut Option<Box<Self>>) {
        let known = context.as_ref().map(|context| &context.parent);
        if let Some(parent) = Parent::other_than(known) {
            context.get_or_insert_default().parent = parent;
        }
        if let Some(context) = context {
            context.spans = context.parent.entered();
            context.attendants.iter_mut().for_each(|attendant| attendant.begin());
        }
    }
}

/// While it exists, the thread's spans are the fiber's.
struct Entered<'a> {
    context: &'a mut Option<Box<Context>>,
    /// The thread's own.
    outside: Spans,
}

impl<'a> Entered<'a> {
    fn new(context: &'a mut Option<Box<Context>>) -> Self {
        let outside = Spans::take_off(None);
        if let Some(context) = context {
            context.spans.put_on();
        }
        Self { context, outside }
    }

    /// The fiber has ended.
    fn end(&mut self) {
        if let Some(context) = self.context {
            context.attendants.iter_mut().for_each(|attendant| attendant.end());
        }
    }

    /// Runs `f` with the call's task-locals and hooks.
    fn attended<R>(&mut self, f: impl FnOnce() -> R) -> R {
        match self.context {
            Some(context) if !context.attendants.is_empty() => {
                let (mut f, mut result) = (Some(f), None);
                attend(&mut context.attendants, &mut || {
                    // Caught, so that no attendant loses what it keeps for the fiber.
                    result = f.take().map(|f| catch_unwind(AssertUnwindSafe(f)));
                });
                result.expect("attendants run what they attend to").unwrap_or_else(|payload| resume_unwind(payload))
            }
            _ => f(),
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let inside = Spans::take_off(self.context.as_ref().map(|context| &context.spans));
        if self.context.is_some() || !inside.is_empty() {
            self.context.get_or_insert_default().spans = inside;
        }
        self.outside.put_on();
    }
}
