//! One call: a job, the place where it runs, and what happens when its caller goes.
//!
//! ```text
//! Call ── in place ──► InPlace: the fiber itself, polled by the caller's task; dropped while it waits ──┐
//!      └─ elsewhere ─► Hosted: a task on a pool worker or of a LocalSet, which owns the fiber  ◄──┘
//! ```

mod departure;
mod host;
mod hosted;
mod in_place;
mod jobs;
mod placement;

use std::{
    future::Future,
    mem,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use tokio::sync::oneshot;

pub(crate) use self::jobs::{Closure, ServiceCall};
use self::{hosted::Hosted, in_place::InPlace, placement::Place};
use crate::{
    discard::discard,
    raw::{Fiber, Job, Ticket, is_within},
    settings::Settings,
};

/// A job that may be placed on another thread, and its output sent back.
pub(crate) trait SendJob: Job<Output: Send> + Send {}

impl<J: Job<Output: Send> + Send> SendJob for J {}

/// The future of one call. It places the job at its first poll.
pub(crate) struct Call<J: SendJob> {
    stage: Stage<J>,
    settings: Arc<Settings>,
    label: &'static str,
}

#[expect(clippy::large_enum_variant, reason = "a box around the fiber would cost each call an allocation")]
enum Stage<J: SendJob> {
    New(J, Ticket),
    InPlace(InPlace<J>),
    Elsewhere(oneshot::Receiver<thread::Result<J::Output>>),
    Done,
}

// No stage is pinned in place: fibers and jobs can be moved between polls.
impl<J: SendJob> Unpin for Call<J> {}

impl<J: SendJob> Call<J> {
    /// `ticket` is what the service got when it was ready.
    pub(crate) fn new(job: J, ticket: Ticket, settings: Arc<Settings>, label: &'static str) -> Self {
        Self { stage: Stage::New(job, ticket), settings, label }
    }

    pub(crate) fn name(&self) -> &str {
        self.settings.meta.name_or(self.label)
    }

    fn place(&self, job: J, ticket: Ticket) -> Stage<J> {
        let Settings { meta, leave, .. } = &*self.settings;
        let place = placement::decide(&self.settings, self.name());
        let fiber = Fiber::new(job, ticket, Arc::clone(meta), self.label);
        // After the fiber was counted: whoever waits for the end of a closed layer's calls waits for this one, or it is refused.
        if meta.calls.is_closed() && !is_within(meta) {
            drop(fiber);
            self.closed();
        }
        if !leave.grace.is_zero() {
            placement::assert_timers(self.name());
        }
        match place {
            Place::Here => Stage::InPlace(InPlace::new(fiber)),
            Place::Worker(pool, runtime) => {
                let (task, outcome) = Hosted::new(fiber, *leave, Some(runtime));
                pool.spawn(task);
                Stage::Elsewhere(outcome)
            }
            Place::LocalSet => {
                let (task, outcome) = Hosted::new(fiber, *leave, None);
                placement::spawn_local(task, self.name());
                Stage::Elsewhere(outcome)
            }
        }
    }

    #[cold]
    fn closed(&self) -> ! {
        panic!(
            "the layer of service `{}` is closed (`FiberHandle::close`): stop the server from accepting requests first, and \
             close the layer when it has stopped",
            self.name()
        )
    }

    #[cold]
    fn no_outcome(&self) -> ! {
        panic!(
            "fiber of service `{}` was leaked before it had an outcome: the LocalSet or runtime that ran it has ended (keep it \
             until its calls have ended), or it was unwound 64 times and caught that each time (let `Cancelled` pass)",
            self.name()
        )
    }
}

impl<J: SendJob> Drop for Call<J> {
    fn drop(&mut self) {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::InPlace(in_place) => in_place.abandon(self.settings.leave),
            // There may be an outcome in it that nobody will take.
            Stage::Elsewhere(outcome) => discard(outcome),
            Stage::New(job, ticket) => drop((job, ticket)),
            Stage::Done => {}
        }
    }
}

impl<J: SendJob> Future for Call<J> {
    type Output = J::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<J::Output> {
        let this = self.get_mut();
        if matches!(this.stage, Stage::New(..)) {
            let Stage::New(job, ticket) = mem::replace(&mut this.stage, Stage::Done) else { unreachable!("just seen") };
            this.stage = this.place(job, ticket);
        }
        let outcome = match &mut this.stage {
            Stage::InPlace(fiber) => match fiber.poll(cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending if fiber.is_given_up() => {
                    this.stage = Stage::Done;
                    this.no_outcome()
                }
                Poll::Pending => return Poll::Pending,
            },
            Stage::Elsewhere(outcome) => ready!(Pin::new(outcome).poll(cx)).unwrap_or_else(|_| this.no_outcome()),
            Stage::New(..) | Stage::Done => panic!("call of service `{}` was polled after it had ended", this.name()),
        };
        this.stage = Stage::Done;
        Poll::Ready(outcome.unwrap_or_else(|payload| resume_unwind(payload)))
    }
}
