//! The caller's handle of a fiber that runs in another task.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    clock::Hold,
    fiber_task::{Ended, FiberTask},
    jobs::SendJob,
    local_set,
    placement::refuse_in_place,
    tokio_task::TokioTask,
};
use crate::{
    context::InContext,
    fiber::Relayed,
    pool::{Body, FiberPool, Response},
    raw::Caller,
    util::drop_quietly::drop_quietly,
};

/// Resolves to the outcome. Dropping the handle means that the caller goes.
pub(crate) enum JoinHandle<J: SendJob> {
    Pool(Response<OnWorker<J>>),
    LocalSet(Relayed<oneshot::Receiver<Ended<J>>>),
}

impl<J: SendJob> JoinHandle<J> {
    /// The caller must poll the handle at once, with the same waker.
    pub(super) fn on_pool(pool: &FiberPool, fiber: InContext<J>, runtime: Handle, cx: &Context<'_>) -> Self {
        let clock = Hold::of(&runtime);
        Self::Pool(pool.spawn(OnWorker { fiber: FiberTask::new(fiber, Some(runtime)), clock }, cx))
    }

    /// `name` is the service's name.
    pub(super) fn in_local_set(fiber: InContext<J>, name: &str) -> Self {
        let (task, outcome) = TokioTask::new(FiberTask::new(fiber, None));
        if !local_set::spawn(Box::pin(task)) {
            refuse_in_place(name);
        }
        Self::LocalSet(Relayed::new(outcome))
    }

    /// Called when the caller goes. Drops the outcome too, if it has already been sent.
    pub(super) fn abandon(self) {
        drop_quietly(self);
    }
}

impl<J: SendJob> Future for JoinHandle<J> {
    type Output = Ended<J>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<J>> {
        match &mut *self {
            Self::Pool(response) => Pin::new(response).poll(cx),
            Self::LocalSet(outcome) => Pin::new(outcome).poll(cx).map(|received| received.ok().flatten()),
        }
    }
}

/// A fiber on a pool worker.
pub(super) struct OnWorker<J: SendJob> {
    fiber: FiberTask<J>,
    /// Dropped after the caller has been woken.
    clock: Option<Hold>,
}

impl<J: SendJob> OnWorker<J> {
    /// For a fiber whose caller has gone.
    pub(super) fn alone(fiber: InContext<J>, runtime: Option<Handle>) -> Self {
        let clock = runtime.as_ref().and_then(Hold::of);
        Self { fiber: FiberTask::new(fiber, runtime), clock }
    }
}

impl<J: SendJob> Body for OnWorker<J> {
    type Output = thread::Result<J::Output>;

    fn poll(&mut self, cx: &mut Context<'_>, caller: &(dyn Caller + 'static)) -> Poll<Ended<J>> {
        let Self { fiber, clock } = self;
        match clock {
            Some(clock) => clock.poll(cx, |cx| fiber.poll(cx, caller)),
            None => fiber.poll(cx, caller),
        }
    }
}
