//! What a caller has of a fiber that runs in another task.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    SendJob,
    hosted::{Hosted, Outcome},
    placement::spawn_local,
    tokio_task::TokioTask,
};
use crate::{
    context::InContext,
    discard::discard,
    pool::{Body, FiberPool, Response},
    raw::Caller,
};

/// Ready with the outcome. When it is dropped, the caller has gone.
pub(crate) enum Elsewhere<J: SendJob> {
    Pool(Response<Hosted<J>>),
    LocalSet(oneshot::Receiver<Outcome<J>>),
}

impl<J: SendJob> Elsewhere<J> {
    /// To be polled at once, with the same waker.
    pub(super) fn on_pool(pool: &FiberPool, fiber: InContext<J>, runtime: Handle, cx: &Context<'_>) -> Self {
        Self::Pool(pool.spawn(Hosted::new(fiber, Some(runtime)), cx))
    }

    /// `name` is the service's.
    pub(super) fn in_local_set(fiber: InContext<J>, name: &str) -> Self {
        let (task, outcome) = TokioTask::new(Hosted::new(fiber, None));
        spawn_local(task, name);
        Self::LocalSet(outcome)
    }

    /// The caller goes. There may be an outcome that nobody will take.
    pub(super) fn abandon(self) {
        discard(self);
    }
}

impl<J: SendJob> Future for Elsewhere<J> {
    type Output = Outcome<J>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<J>> {
        match &mut *self {
            Self::Pool(response) => Pin::new(response).poll(cx),
            Self::LocalSet(outcome) => Pin::new(outcome).poll(cx).map(|received| received.ok().flatten()),
        }
    }
}

impl<J: SendJob> Body for Hosted<J> {
    type Output = thread::Result<J::Output>;

    fn poll(&mut self, cx: &mut Context<'_>, caller: &(dyn Caller + 'static)) -> Poll<Outcome<J>> {
        Hosted::poll(self, cx, caller)
    }
}
