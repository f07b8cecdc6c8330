//! One call: a job, the place where it runs, and what happens when its caller goes.
//!
//! ```text
//! Call ── in place ──► InPlace: the fiber itself, polled by the caller's task; dropped while it waits ──┐
//!      └─ elsewhere ─► Hosted: a task on a pool worker or of a LocalSet, which owns the fiber  ◄──┘
//! ```
//!
//! `Call::advance` is each poll. At the first one most calls in place begin by [`Fiber::poll_bare`], where many end; all others find their
//! place in `Call::place`, and run by [`Fiber::poll`]. A fiber waits in `State::suspend`.

#[cfg(feature = "axum")]
mod at_once;
mod departure;
mod elsewhere;
mod host;
mod hosted;
mod in_place;
mod jobs;
mod placement;
mod tokio_task;

use std::{
    future::Future,
    mem,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pub(crate) use self::jobs::{Closure, ServiceCall};
use self::{elsewhere::Elsewhere, in_place::InPlace, placement::Place};
use crate::{
    context::{AtCall, InContext},
    raw::{Ending, Fiber, Job, Meta, Ticket, is_within},
    settings::{Placement, Settings},
};

/// A job that may be placed on another thread, and its output sent back.
pub(crate) trait SendJob: Job<Output: Send> + Send {}

impl<J: Job<Output: Send> + Send> SendJob for J {}

/// The future of one call. It places the fiber at its first poll.
pub(crate) struct Call<J: SendJob> {
    stage: Stage<J>,
    placement: Placement,
    label: &'static str,
}

#[expect(clippy::large_enum_variant, reason = "a box around the fiber would cost each call an allocation")]
enum Stage<J: SendJob> {
    /// Not yet placed, or in place. It stays where it was made: moving a fiber moves its request.
    Own { call: InPlace<J>, is_placed: bool },
    Elsewhere {
        /// Until it was received.
        outcome: Option<Elsewhere<J>>,
        meta: Arc<Meta>,
    },
    /// On its way elsewhere, refused, or given up.
    Done,
}

impl<J: SendJob> Stage<J> {
    /// Sends a fresh call away.
    fn send(&mut self, place: Place<'_>, label: &'static str, cx: &Context<'_>) {
        let Self::Own { call, .. } = mem::replace(self, Self::Done) else { return };
        let fiber = call.fiber;
        let meta = fiber.meta_arc();
        let elsewhere = match place {
            Place::Here => unreachable!("it stays"),
            Place::Worker(pool, runtime) => Elsewhere::on_pool(pool, fiber, runtime, cx),
            Place::LocalSet => Elsewhere::in_local_set(fiber, meta.name_or(label)),
        };
        *self = Self::Elsewhere { outcome: Some(elsewhere), meta };
    }
}

// No stage is pinned in place: fibers and jobs can be moved between polls.
impl<J: SendJob> Unpin for Call<J> {}

impl<J: SendJob> Call<J> {
    /// `ticket` is what the service got when it was ready.
    #[inline]
    pub(crate) fn new(job: J, ticket: Ticket, settings: &Settings, label: &'static str) -> Self {
        let Settings { meta, placement, attendants } = settings;
        let context = AtCall::new(attendants.as_deref(), meta, label);
        Self::of(Fiber::new(job, ticket, Arc::clone(meta), label), context, placement, label)
    }

    #[inline]
    fn of(fiber: Fiber<J>, context: AtCall, placement: &Placement, label: &'static str) -> Self {
        let stage = Stage::Own { call: InPlace::new(InContext::new(fiber, context)), is_placed: false };
        Self { stage, placement: placement.clone(), label }
    }

    pub(crate) fn name(&self) -> &str {
        match &self.stage {
            Stage::Own { call, .. } => call.fiber.name(),
            Stage::Elsewhere { meta, .. } => meta.name_or(self.label),
            Stage::Done => self.label,
        }
    }

    /// Finds the place of the call, and enters it in the books.
    fn place(&mut self, cx: &Context<'_>) {
        let Stage::Own { call, is_placed } = &mut self.stage else { return };
        let place = placement::decide(&self.placement, call.fiber.name());
        call.fiber.open();
        call.fiber.begin();
        *is_placed = true;
        let meta = call.fiber.meta();
        // After it was entered: whoever waits for the end of a closed layer's calls waits for this one, or it is refused.
        if meta.calls.is_closed() && !is_within(meta) {
            self.refuse();
        }
        if !meta.conduct.grace.is_zero() {
            placement::assert_timers(call.fiber.name());
        }
        if !matches!(place, Place::Here) {
            self.stage.send(place, self.label, cx);
        }
    }

    #[cold]
    fn refuse(&mut self) -> ! {
        let name = self.name().to_owned();
        // What the call was made of is dropped, and the call is off the books, before anybody hears of it.
        drop(mem::replace(&mut self.stage, Stage::Done));
        panic!(
            "the layer of service `{name}` is closed (`FiberHandle::close`): stop the server from accepting requests first, and \
             close the layer when it has stopped"
        )
    }

    /// Polls the call in its place, which the first poll finds. `ending` is `Pending`.
    #[inline]
    fn advance(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        match &mut self.stage {
            Stage::Own { call, is_placed: true } => {
                call.poll(cx, ending);
                if ending.is_pending() && call.is_given_up() {
                    self.give_up();
                }
            }
            Stage::Own { call, is_placed } => {
                // Most calls have nothing around them, and begin where they are.
                if !call.fiber.is_bare() || !placement::is_known_here(&self.placement) || !call.poll_bare(cx, ending) {
                    return self.begin(cx, ending);
                }
                *is_placed = true;
            }
            Stage::Elsewhere { outcome: outcome @ Some(_), meta } => {
                let poll = Pin::new(outcome.as_mut().expect("it is there")).poll(cx);
                if let Poll::Ready(received) = poll {
                    *outcome = None;
                    *ending = Poll::Ready(received.unwrap_or_else(|| no_outcome(meta.name_or(self.label))));
                }
            }
            Stage::Elsewhere { outcome: None, .. } | Stage::Done => {
                panic!("call of service `{}` was polled after it had ended", self.name())
            }
        }
    }

    /// The first poll of a call that does not begin bare.
    // What is said of it is for calls in place, which are cheap enough to feel the difference. It is not for those elsewhere.
    #[cold]
    fn begin(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        self.place(cx);
        self.advance(cx, ending);
    }

    #[cold]
    fn give_up(&mut self) -> ! {
        let name = self.name().to_owned();
        drop(mem::replace(&mut self.stage, Stage::Done));
        no_outcome(&name)
    }
}

impl<J: SendJob> Drop for Call<J> {
    #[inline]
    fn drop(&mut self) {
        match &self.stage {
            Stage::Own { call, .. } if call.goes_on() => {
                if let Stage::Own { call, .. } = mem::replace(&mut self.stage, Stage::Done) {
                    call.hand_over();
                }
            }
            Stage::Elsewhere { .. } => {
                if let Stage::Elsewhere { outcome: Some(elsewhere), .. } = mem::replace(&mut self.stage, Stage::Done) {
                    elsewhere.abandon();
                }
            }
            Stage::Own { .. } | Stage::Done => {}
        }
    }
}

impl<J: SendJob> Future for Call<J> {
    type Output = J::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<J::Output> {
        let mut ending = Poll::Pending;
        self.get_mut().advance(cx, &mut ending);
        match ending {
            Poll::Ready(Ok(output)) => Poll::Ready(output),
            Poll::Ready(Err(payload)) => resume_unwind(payload),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cold]
fn no_outcome(name: &str) -> ! {
    panic!(
        "fiber of service `{name}` was leaked before it had an outcome: the LocalSet or runtime that ran it has ended (keep it \
         until its calls have ended), or it was unwound 64 times and caught that each time (let `Cancelled` pass)"
    )
}
