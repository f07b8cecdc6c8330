//! One call: a job, the place where it runs, and what happens when its caller goes.
//!
//! ```text
//! Call ── in place ──► InPlace: the fiber itself, polled by the caller's task; its caller goes: Successor ──┐
//!      └─ remote ────► FiberTask: a task on a pool worker or of a LocalSet, which owns the fiber  ◄─────────┘
//! ```
//!
//! Each poll is a `Call::advance_call`. At the first poll most calls in place begin with [`Fiber::poll_plain`], and
//! many end there. `Call::place` finds the place of all other calls, which run by [`Fiber::poll`]. A fiber waits in
//! `State::suspend`.

#[cfg(feature = "axum")]
mod at_once;
mod clock;
mod cut;
mod driven;
mod fiber_task;
mod grace;
#[cfg(feature = "stream")]
mod in_advance;
mod in_place;
mod jobs;
mod join_handle;
mod local_set;
mod placement;
mod successor;
mod task_waker;
mod tokio_task;

use std::{
    any::Any,
    future::Future,
    mem,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use self::{cut::report_cancelled, in_place::InPlace, jobs::SendJob, join_handle::JoinHandle, placement::Place};
pub(crate) use self::{
    cut::{is_cut_with_its_poller, pending_with_its_poller},
    jobs::{Closure, ServiceCall},
};
use crate::{
    context::{AtCall, InContext},
    error::Closed,
    fiber::{Admission, Fiber, Shared, is_within},
    raw::Ending,
    settings::{Placement, Settings},
};

/// The future of one call. It places the fiber at its first poll.
pub(crate) struct Call<J: SendJob> {
    stage: Stage<J>,
    placement: Option<Placement>,
    label: &'static str,
}

#[expect(clippy::large_enum_variant, reason = "a box around the fiber would cost each call an allocation")]
#[repr(u8)]
enum Stage<J: SendJob> {
    /// Not yet placed, or in place. The fiber stays where it was made, because moving a fiber moves its request.
    Own { call: InPlace<J>, is_placed: bool },
    Remote {
        /// `None` once the outcome was received.
        outcome: Option<JoinHandle<J>>,
        shared: Arc<Shared>,
    },
    /// Being sent elsewhere, refused, given up, or cut (see [`is_cut_with_its_poller`]).
    Done { is_cut: bool },
}

impl<J: SendJob> Stage<J> {
    const DONE: Self = Self::Done { is_cut: false };
}

impl<J: SendJob> Stage<J> {
    /// Sends a fresh call to its place elsewhere.
    fn send(&mut self, place: Place<'_>, label: &'static str, cx: &Context<'_>) {
        let Self::Own { call, .. } = mem::replace(self, Self::DONE) else { return };
        let fiber = call.fiber;
        let shared = fiber.shared_arc();
        let outcome = match place {
            Place::Here => unreachable!("it stays"),
            Place::Worker(pool, runtime) => JoinHandle::on_pool(pool, fiber, runtime, cx),
            Place::LocalSet => JoinHandle::in_local_set(fiber, shared.name_or(label)),
        };
        *self = Self::Remote { outcome: Some(outcome), shared };
    }
}

// No stage is pinned in place: fibers and jobs can be moved between polls.
impl<J: SendJob> Unpin for Call<J> {}

impl<J: SendJob> Call<J> {
    /// `admission` is what the service acquired when it became ready.
    #[inline]
    pub(crate) fn new(job: J, admission: Admission, settings: &Settings, label: &'static str) -> Self {
        let Settings { shared, placement, scopes } = settings;
        let context = AtCall::new(scopes.as_deref());
        Self::of(Fiber::new(job, admission, Arc::clone(shared), label), context, placement, label)
    }

    #[inline]
    fn of(fiber: Fiber<J>, context: AtCall, placement: &Option<Placement>, label: &'static str) -> Self {
        let stage = Stage::Own { call: InPlace::new(InContext::new(fiber, context)), is_placed: false };
        Self { stage, placement: placement.clone(), label }
    }

    pub(crate) fn name(&self) -> &str {
        match &self.stage {
            Stage::Own { call, .. } => call.fiber.name(),
            Stage::Remote { shared, .. } => shared.name_or(self.label),
            Stage::Done { .. } => self.label,
        }
    }

    /// Finds the place of the call, and counts the call.
    fn place(&mut self, cx: &Context<'_>) -> Result<(), Closed> {
        let Stage::Own { call, is_placed } = &mut self.stage else { return Ok(()) };
        let place = placement::decide(self.placement.as_ref(), call.fiber.name(), cx.waker());
        call.fiber.open();
        match place {
            Place::Here => call.fiber.begin_here(),
            Place::Worker(..) | Place::LocalSet => call.fiber.begin(),
        }
        *is_placed = true;
        let shared = call.fiber.shared();
        // Checked after the call was counted: the end of a closed layer's calls either waits for this call, or the call
        // is refused.
        if shared.in_flight.is_closed() && !call.fiber.is_in_advance() && !is_within(shared) {
            return Err(self.refuse());
        }
        if !shared.drop_policy.grace.is_zero() {
            placement::assert_timers(call.fiber.name());
        }
        if !matches!(place, Place::Here) {
            self.stage.send(place, self.label, cx);
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self) -> Closed {
        let closed = Closed::new(self.name());
        // The job is dropped, and the call has ended, before the caller is told.
        drop(mem::replace(&mut self.stage, Stage::DONE));
        closed
    }

    /// Polls the call in its place, which the first poll finds. `ending` is `Pending`.
    #[inline]
    fn advance_call(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        match &mut self.stage {
            Stage::Own { call, is_placed: true } => {
                call.poll(cx, ending);
                if ending.is_pending() && call.is_given_up() {
                    self.give_up();
                }
            }
            Stage::Own { call, is_placed } => {
                // Most calls begin in the polled task.
                if !driven::is_known_here(self.placement.as_ref(), cx.waker()) {
                    return self.begin(cx, ending);
                }
                let Some(poll) = call.fiber.poll_plain(cx, ending) else { return self.begin(cx, ending) };
                *is_placed = true;
                if poll.is_pending() {
                    call.wait_after_plain(cx.waker());
                }
            }
            Stage::Remote { .. } | Stage::Done { .. } => self.advance_remote(cx, ending),
        }
    }

    /// Polls a call whose stage is not `Own`.
    // `#[cold]` favours the in-place fast path.
    #[cold]
    fn advance_remote(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        match &mut self.stage {
            Stage::Remote { outcome: outcome @ Some(_), shared } => {
                let poll = Pin::new(outcome.as_mut().expect("it is there")).poll(cx);
                if let Poll::Ready(received) = poll {
                    *outcome = None;
                    *ending = Poll::Ready(received.unwrap_or_else(|| no_outcome(shared.name_or(self.label))));
                }
            }
            Stage::Done { is_cut: true } => *ending = pending_with_its_poller(),
            Stage::Remote { outcome: None, .. } | Stage::Done { is_cut: false } => {
                panic!("call of service `{}` was polled after it had ended [TF14]", self.name())
            }
            Stage::Own { .. } => unreachable!("it is polled in its place"),
        }
    }

    /// Like `poll`, but a panic is an outcome.
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<J::Output>> {
        let mut ending = Poll::Pending;
        self.advance_call(cx, &mut ending);
        ending
    }

    /// The first poll of a call that does not begin the plain way.
    // `#[cold]` favours the plain fast path.
    #[cold]
    fn begin(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        match self.place(cx) {
            Ok(()) => self.advance_call(cx, ending),
            Err(closed) => *ending = Poll::Ready(Err(Box::new(closed))),
        }
    }

    /// Called when the caller goes before the call has ended.
    #[cold]
    fn leave(&mut self) {
        match mem::replace(&mut self.stage, Stage::DONE) {
            Stage::Own { call, .. } => call.hand_over(),
            Stage::Remote { outcome, .. } => outcome.into_iter().for_each(JoinHandle::abandon),
            Stage::Done { .. } => {}
        }
    }

    /// Like `poll`; `refused` turns the error of a closed layer into an output, if the output can hold it.
    #[inline]
    pub(crate) fn poll_or(
        &mut self,
        cx: &mut Context<'_>,
        refused: fn(Closed) -> Result<J::Output, Closed>,
    ) -> Poll<J::Output> {
        let mut ending = Poll::Pending;
        self.advance_call(cx, &mut ending);
        match ending {
            Poll::Ready(Ok(output)) => Poll::Ready(output),
            Poll::Ready(Err(payload)) => self.end_by(payload, refused),
            Poll::Pending => Poll::Pending,
        }
    }

    #[cold]
    fn end_by(
        &mut self,
        payload: Box<dyn Any + Send>,
        refused: fn(Closed) -> Result<J::Output, Closed>,
    ) -> Poll<J::Output> {
        let payload = match payload.downcast() {
            Ok(closed) => return Poll::Ready(refused(*closed).unwrap_or_else(|closed| panic!("{closed}"))),
            Err(payload) => payload,
        };
        if !is_cut_with_its_poller(&*payload) {
            report_cancelled(self.name(), &*payload);
            resume_unwind(payload);
        }
        self.stage = Stage::Done { is_cut: true };
        Poll::Pending
    }

    #[cold]
    fn give_up(&mut self) -> ! {
        let name = self.name().to_owned();
        drop(mem::replace(&mut self.stage, Stage::DONE));
        no_outcome(&name)
    }
}

impl<J: SendJob> Drop for Call<J> {
    #[inline]
    fn drop(&mut self) {
        match &self.stage {
            Stage::Own { call, .. } if !call.goes_on() => {}
            Stage::Done { .. } => {}
            Stage::Own { .. } | Stage::Remote { .. } => self.leave(),
        }
    }
}

impl<J: SendJob> Future for Call<J> {
    type Output = J::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<J::Output> {
        self.poll_or(cx, Err)
    }
}

#[cold]
fn no_outcome(name: &str) -> ! {
    panic!(
        "fiber of service `{name}` was leaked before it had an outcome: the LocalSet or runtime that ran it has ended (keep it \
         until its calls have ended), or it was unwound 64 times and caught that each time (let `Cancelled` pass) [TF15]"
    )
}
