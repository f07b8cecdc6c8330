//! One call: a job, the place where it runs, and what happens when its caller goes.
//!
//! ```text
//! Call ── in place ──► InPlace: the fiber itself, polled by the caller's task; dropped while it waits ──┐
//!      └─ elsewhere ─► Hosted: a task on a pool worker or of a LocalSet, which owns the fiber  ◄──┘
//! ```

mod host;
mod hosted;
mod in_place;
mod jobs;
mod placement;

use std::{
    future::Future,
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
    raw::{Fiber, Job},
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

enum Stage<J: SendJob> {
    New(J),
    InPlace(InPlace<J>),
    Elsewhere(oneshot::Receiver<thread::Result<J::Output>>),
    Done,
}

// No stage is pinned in place: fibers and jobs can be moved between polls.
impl<J: SendJob> Unpin for Call<J> {}

impl<J: SendJob> Call<J> {
    pub(crate) fn new(job: J, settings: Arc<Settings>, label: &'static str) -> Self {
        Self { stage: Stage::New(job), settings, label }
    }

    pub(crate) fn name(&self) -> &str {
        self.settings.meta.name_or(self.label)
    }

    fn place(&self, job: J) -> Stage<J> {
        let place = placement::decide(&self.settings, self.name());
        let fiber = Fiber::new(job, Arc::clone(&self.settings.meta), self.label);
        match place {
            Place::Here => Stage::InPlace(InPlace::new(fiber, self.settings.on_drop)),
            Place::Worker(pool, runtime) => {
                let (task, outcome) = Hosted::new(fiber, self.settings.on_drop, Some(runtime));
                pool.spawn(task);
                Stage::Elsewhere(outcome)
            }
            Place::LocalSet => {
                let (task, outcome) = Hosted::new(fiber, self.settings.on_drop, None);
                placement::spawn_local(task, self.name());
                Stage::Elsewhere(outcome)
            }
        }
    }

    #[cold]
    fn no_outcome(&self) -> ! {
        panic!(
            "fiber of service `{}` was leaked before it had an outcome: the LocalSet or runtime that ran it has ended; \
             keep it until its calls have ended",
            self.name()
        )
    }
}

impl<J: SendJob> Future for Call<J> {
    type Output = J::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<J::Output> {
        let this = self.get_mut();
        if matches!(this.stage, Stage::New(_)) {
            let Stage::New(job) = std::mem::replace(&mut this.stage, Stage::Done) else { unreachable!("just seen") };
            this.stage = this.place(job);
        }
        let outcome = match &mut this.stage {
            Stage::InPlace(fiber) => ready!(fiber.poll(cx)),
            Stage::Elsewhere(outcome) => ready!(Pin::new(outcome).poll(cx)).unwrap_or_else(|_| this.no_outcome()),
            Stage::New(_) | Stage::Done => panic!("call of service `{}` was polled after it had ended", this.name()),
        };
        this.stage = Stage::Done;
        Poll::Ready(outcome.unwrap_or_else(|payload| resume_unwind(payload)))
    }
}
