//! Where a fiber goes on after its response future is dropped.

use std::{future::Future, pin::Pin, task::Waker};

use tokio::runtime::Handle;

use super::{
    driven::{drives, is_known, is_of_known_task},
    fiber_task::FiberTask,
    jobs::SendJob,
    join_handle::OnWorker,
    local_set,
    tokio_task::TokioTask,
};
use crate::{context::InContext, pool::Worker};

/// What drives a fiber after its caller has gone: it polls tasks on the fiber's home thread.
pub(crate) enum Successor {
    /// A pool worker, with the runtime that the fiber sees as its own.
    Worker(Worker, Option<Handle>),
    Runtime(Handle),
    /// The `LocalSet` that owns the fiber around this one. That fiber is being polled when this fiber's response is
    /// dropped.
    LocalSet,
    /// Nothing: either no runtime is entered, or it does not drive its tasks on this thread.
    Nobody,
}

impl Successor {
    /// The successor on the polling thread, whose poll has this waker. Called when a poll first does not end the fiber.
    pub(crate) fn here(waker: &Waker) -> Self {
        if is_known(waker) { Self::known(waker) } else { Self::find(Handle::try_current().ok(), waker) }
    }

    /// Like [`here`](Self::here), for a poll that [`is_known`] recognises; a pool worker never makes such a poll.
    pub(crate) fn known(waker: &Waker) -> Self {
        match Handle::try_current() {
            Ok(runtime) if is_of_known_task(&runtime) => Self::Runtime(runtime),
            runtime => Self::find(runtime.ok(), waker),
        }
    }

    #[inline(never)]
    fn find(runtime: Option<Handle>, waker: &Waker) -> Self {
        if let Some(worker) = Worker::current() {
            return Self::Worker(worker, runtime);
        }
        match runtime {
            Some(runtime) if drives(&runtime, waker) => Self::Runtime(runtime),
            _ if local_set::is_here() => Self::LocalSet,
            _ => Self::Nobody,
        }
    }

    /// Makes the fiber a task on its home thread. A successor that is shutting down drops the task, which leaks the
    /// fiber and counts the leak. The task has one type for all calls, because tokio's part of a task is compiled for
    /// each type.
    pub(crate) fn take_over<J: SendJob>(self, fiber: InContext<J>) {
        match self {
            Self::Worker(worker, runtime) => worker.spawn(OnWorker::alone(fiber, runtime)),
            Self::Runtime(runtime) => {
                let task: Pin<Box<dyn Future<Output = ()> + Send>> =
                    Box::pin(TokioTask::alone(FiberTask::new(fiber, None)));
                drop(runtime.spawn(task));
            }
            Self::LocalSet if local_set::is_here() && fiber.is_home() => {
                local_set::spawn(Box::pin(TokioTask::alone(FiberTask::new(fiber, None))));
            }
            Self::LocalSet | Self::Nobody => drop(fiber),
        }
    }
}
