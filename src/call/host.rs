//! Where a fiber goes on when its response future is dropped.

use tokio::runtime::{Handle, RuntimeFlavor};

use super::{SendJob, hosted::Hosted, tokio_task::TokioTask};
use crate::{context::InContext, pool::Worker};

/// Who can poll tasks on the fiber's home thread.
pub(crate) enum Host {
    /// A pool worker, with the runtime that the fiber sees as its own.
    Worker(Worker, Option<Handle>),
    Runtime(Handle),
    /// Nobody: no runtime, or one whose tasks change threads.
    Nobody,
}

impl Host {
    /// The host of the thread that is polling. Called when a fiber first does not end at once.
    pub(crate) fn here() -> Self {
        let runtime = Handle::try_current().ok();
        if let Some(worker) = Worker::current() {
            return Self::Worker(worker, runtime);
        }
        match runtime {
            Some(runtime) if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread => Self::Runtime(runtime),
            _ => Self::Nobody,
        }
    }

    /// Makes the fiber a task at home. A host that is shutting down drops the task, which leaks the fiber and counts it.
    pub(crate) fn take_over<J: SendJob>(self, fiber: InContext<J>) {
        match self {
            Self::Worker(worker, runtime) => worker.spawn(Hosted::alone(fiber, runtime)),
            Self::Runtime(runtime) => drop(runtime.spawn(TokioTask::alone(Hosted::alone(fiber, None)))),
            Self::Nobody => drop(fiber),
        }
    }
}
