//! What follows a call into its fiber and stays away from other tasks of the thread: spans, task-locals and hooks.
//!
//! ```text
//! InContext::poll ── spans of the thread off, of the fiber on ── carried task-locals set ── hooks ── Fiber::poll
//!                 ◄─ the other way round, when the fiber has suspended or ended, also by unwinding ─┘
//! ```

mod at_call;
#[cfg(debug_assertions)]
mod canary;
mod carry;
mod entered;
mod hook;
mod measured;
mod of_fiber;
mod probe;
mod scope;
mod scopes;
#[cfg_attr(not(feature = "tracing"), path = "no_spans.rs")]
mod spans;

use std::{
    any::Any,
    mem,
    panic::resume_unwind,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

pub use self::hook::Hook;
pub(crate) use self::{at_call::AtCall, scopes::Scopes};
use self::{
    entered::Entered,
    of_fiber::{Context, is_lint_on, is_plain},
};
#[cfg(feature = "lint")]
use crate::diagnostics::lint;
use crate::{
    fiber::{Fiber, Phase, Shared},
    raw::{Caller, Ending, Job, let_go},
    util::{
        drop_quietly::{FirstPanic, drop_quietly},
        seldom::Seldom,
    },
};

/// A fiber, with the context that is its own while it runs.
pub(crate) struct InContext<J: Job> {
    fiber: Fiber<J>,
    context: Seldom<Box<Context>>,
    /// Whether the next poll must find out what the fiber begins with.
    begins: bool,
}

/// Polls a fresh fiber that has nothing around it, in the plain way if possible; see [`Fiber::poll_plain`].
#[inline]
pub(crate) fn poll_plain<J: Job>(
    fiber: &mut Fiber<J>,
    cx: &TaskContext<'_>,
    ending: &mut Ending<J>,
) -> Option<Poll<()>> {
    #[cfg(debug_assertions)]
    let canary = canary::Canary::new();
    let poll = fiber.poll_plain(cx, ending);
    #[cfg(debug_assertions)]
    canary.compare(fiber.name(), fiber.waits_at());
    poll
}

impl<J: Job> InContext<J> {
    /// Separate from the code that makes the context: while that runs, nothing but the context would have to be
    /// dropped, so that the compiler makes the fiber in its place.
    #[inline]
    pub(crate) fn new(fiber: Fiber<J>, at_call: AtCall) -> Self {
        Self { fiber, context: Seldom::new(at_call.into_context()), begins: false }
    }

    /// Called in the caller's task before the first poll: the fiber begins with what an async function would see where
    /// its caller awaits it.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if self.context.is_some() || spans::may_exist() {
            Context::at_first_poll(&mut self.context);
        }
    }

    /// Like `begin`, where the poll comes next.
    #[inline]
    pub(crate) fn begin_here(&mut self) {
        // Hooks must see the thread as it is, but that poll takes the thread's spans off.
        if self.context.as_ref().is_none_or(|context| context.scopes.is_empty()) {
            self.begins = true;
        } else {
            self.begin();
        }
    }

    /// Whether the fiber has nothing around it if it is polled now, and is not watched.
    #[inline]
    fn is_plain(&self) -> bool {
        is_plain(self.context.as_deref()) && !self.fiber.detects_blocking()
    }

    /// The first poll of a call that begins in the polled task, in the plain way if possible; see
    /// [`Fiber::poll_plain`].
    #[inline]
    pub(crate) fn poll_plain(&mut self, cx: &mut TaskContext<'_>, ending: &mut Ending<J>) -> Option<Poll<()>> {
        if self.is_plain() {
            return poll_plain(&mut self.fiber, cx, ending);
        }
        self.poll_plain_within(cx, ending)
    }

    /// [`poll_plain`](Self::poll_plain) where there may be spans, metrics or a detector.
    #[inline(never)]
    fn poll_plain_within(&mut self, cx: &mut TaskContext<'_>, ending: &mut Ending<J>) -> Option<Poll<()>> {
        let Self { fiber, context, .. } = self;
        let has_scopes = context.as_ref().is_some_and(|context| !context.scopes.is_empty());
        if has_scopes || is_lint_on() {
            return None;
        }
        if fiber.detects_blocking() {
            // It registers before it begins, and must know by then what all calls have been told.
            fiber.open();
        }
        #[cfg(debug_assertions)]
        let canary = canary::Canary::new();
        let mut entered = Entered::new(context, true);
        let poll = entered.measure(|| fiber.in_run_slot(cx, |fiber, cx| fiber.poll_plain(cx, ending)));
        if ending.is_ready() {
            entered.end(fiber.shared());
        }
        drop(entered);
        #[cfg(debug_assertions)]
        canary.compare(fiber.name(), fiber.waits_at());
        poll
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

    /// Polls with the lint on. The lint is outermost, because other tasks of the thread see what is left.
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
        if self.is_plain() && !cfg!(debug_assertions) {
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
        let Self { fiber, context, begins } = self;
        #[cfg(debug_assertions)]
        let canary = canary::Canary::new();
        // The guard restores the thread's context if anything panics.
        let mut panics = FirstPanic::default();
        let mut entered = Entered::new(context, mem::take(begins));
        entered.run(&mut panics, || fiber.in_run_slot(cx, |fiber, cx| fiber.poll(cx, caller, ending)));
        if ending.is_ready() {
            entered.end(fiber.shared());
        }
        drop(entered);
        #[cfg(debug_assertions)]
        canary.compare(fiber.name(), fiber.waits_at());
        if let Some(payload) = panics.into_payload() {
            go_on_with::<J>(payload, ending);
        }
    }
}

/// Passes on the first panic of a hook: as the outcome if the fiber has ended, and otherwise out of its poll.
#[cold]
fn go_on_with<J: Job>(payload: Box<dyn Any + Send>, ending: &mut Ending<J>) {
    match mem::replace(ending, Poll::Pending) {
        Poll::Pending => resume_unwind(payload),
        Poll::Ready(Ok(output)) => {
            let_go(output);
            *ending = Poll::Ready(Err(payload));
        }
        Poll::Ready(Err(first)) => {
            *ending = Poll::Ready(Err(first));
            drop_quietly(payload);
        }
    }
}

/// Methods of [`Fiber`] itself, for its owners.
impl<J: Job> InContext<J> {
    #[inline]
    pub(crate) fn open(&mut self) {
        self.fiber.open();
    }

    #[inline]
    pub(crate) fn close(&mut self) {
        self.fiber.close();
    }

    pub(crate) fn is_in_advance(&self) -> bool {
        self.fiber.is_in_advance()
    }

    pub(crate) fn come_out(&mut self) {
        self.fiber.come_out();
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        self.fiber.shared()
    }

    pub(crate) fn shared_arc(&self) -> Arc<Shared> {
        self.fiber.shared_arc()
    }

    pub(crate) fn name(&self) -> &str {
        self.fiber.name()
    }

    #[inline]
    pub(crate) fn is_home(&self) -> bool {
        self.fiber.is_home()
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.fiber.phase()
    }

    #[inline]
    pub(crate) fn is_given_up(&self) -> bool {
        self.fiber.is_given_up()
    }

    pub(crate) fn is_shielded(&self) -> bool {
        self.fiber.is_shielded()
    }

    pub(crate) fn cancel(&mut self) {
        self.fiber.cancel();
    }

    pub(crate) fn unwind(&mut self) {
        self.fiber.unwind();
    }

    /// See [`Fiber::tell_caller_gone`].
    pub(crate) fn tell_caller_gone(&mut self) {
        self.fiber.tell_caller_gone();
    }
}
