//! Loom models: the library's own files, compiled against loom's types instead of those of std, tokio and the queue.
//!
//! Each test runs its threads in every order that the memory model allows.
#![cfg(test)]
#![expect(dead_code, reason = "the library's files are written for their place there")]

mod util {
    #[path = "../../../src/util/drop_quietly.rs"]
    pub(crate) mod drop_quietly;
    #[path = "../../../src/util/lock.rs"]
    pub(crate) mod lock;
    pub(crate) mod loom;
}

mod pool {
    mod parker;
    #[path = "../../../src/pool/queues.rs"]
    mod queues;
    #[path = "../../../src/pool/state.rs"]
    mod state;
    #[path = "../../../src/pool/task.rs"]
    mod task;
    mod task_tests;
    mod tests;
}

mod call {
    #[path = "../../../src/call/fiber_task.rs"]
    pub(super) mod fiber_task;
    pub(super) mod grace;
    mod tests;
    #[path = "../../../src/call/tokio_task.rs"]
    mod tokio_task;
}

mod biased;

#[cfg(test)]
mod futex;

/// What follows a call into its fiber changes nothing in its hand-over.
mod context {
    pub(crate) use crate::raw::Fiber as InContext;
}

mod fiber {
    pub(crate) use crate::raw::Phase;
}

mod raw;

/// Runs a model in every order in which a thread is interrupted at most three times; `LOOM_MAX_PREEMPTIONS` sets
/// another bound.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}
