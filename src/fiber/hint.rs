//! What a tokio panic means in a fiber, since its text speaks of async functions.

use std::any::Any;

/// How the texts of tokio's panics begin, and what to say about them.
const HINTS: &[(&str, &str)] = &[
    (
        "can call blocking only when running on the multi-threaded runtime",
        "a fiber never runs on a thread of tokio's multi-thread runtime, where alone `block_in_place` works: use `offload`",
    ),
    (
        "Cannot block the current thread from within a runtime",
        "a fiber must not block its thread by `blocking_lock`, `blocking_recv` and the like: wait by `lock().wait()`, \
         `recv().wait()`, or call the code that does so by `offload`",
    ),
    (
        "Cannot start a runtime from within a runtime",
        "a fiber waits for a future by `.wait()` where other code calls `block_on`; call a library that has a runtime \
         of its own by `offload`",
    ),
    (
        "Can't get a task id when not inside a task",
        "a fiber on a `FiberPool` is not a tokio task, and in place its task can change: use `fiber_id()`, or \
         `tokio::task::try_id()`",
    ),
    ("`spawn_local` called from outside", SPAWN_LOCAL),
    ("Local tasks can only be spawned on a LocalRuntime", SPAWN_LOCAL),
];

const SPAWN_LOCAL: &str = "a fiber on a `FiberPool` is neither in a `LocalSet` nor on the thread of a `LocalRuntime`: \
                           use `tokio::spawn`, or place the fiber by `Placement::InPlace`";

/// Warns if a fiber of `service` has panicked with a tokio text that does not tell what to do in a fiber.
pub(super) fn note_panic(service: &str, payload: &(dyn Any + Send)) {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    let Some((panic, hint)) = text.and_then(|text| HINTS.iter().find(|(begin, _)| text.starts_with(begin))) else {
        return;
    };
    tracing::warn!(service, panic, "{hint} [TF50]");
}
