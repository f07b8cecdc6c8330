//! [`offload`]: runs work on another thread than the fiber's.

use std::panic::resume_unwind;

use tokio::runtime::Handle;

use crate::{
    blocking,
    error::NOT_IN_FIBER,
    wait::{WaitMode, await_in_fiber, caller::watch_caller, wait_mode},
};

/// Runs `f` on tokio's blocking pool and waits for it. Use it for code that uses much CPU or blocks its thread.
///
/// Waits inside `f` block that pool's thread, as under [`block_on_waits`](crate::block_on_waits). If `offload` is
/// called under `block_on_waits`, `f` runs on this thread, which may block anyway.
/// [`BlockingLayer::run`](crate::BlockingLayer::run) also offers a limit on threads and a choice of runtime.
///
/// The current span and `tracing` dispatcher follow `f`, and so do the [carried](crate::FiberLayerBuilder::carry)
/// task-locals and the [`Hook`](crate::Hook)s of the fiber's layer and of the layers around it: `f` sees clones of the
/// fiber's current values. Hooks are called once before and once after `f`. All of this also applies to the fibers that
/// `f` makes with [`join`](crate::join) or [`race`](crate::race).
///
/// # Cancel safety
///
/// As for [`await_in_fiber`]; `f` itself always runs to its end.
///
/// # Panics
///
/// Outside a fiber and [`block_on_waits`](crate::block_on_waits), and outside a tokio runtime. If `f`, a hook, or the
/// `Clone` of a carried value panics, with its payload.
///
/// # Examples
///
/// ```
/// use tower_fiber::{offload, run_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let digits = run_in_fiber(|| offload(|| (1..=20_u64).product::<u64>().to_string())).await;
/// assert_eq!(digits, "2432902008176640000");
/// # }
/// ```
#[track_caller]
pub fn offload<F, R>(f: F) -> R
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    match wait_mode() {
        WaitMode::Fiber => {}
        WaitMode::Blocking => return f(),
        WaitMode::None => panic!("{NOT_IN_FIBER}"),
    }
    match await_in_fiber(blocking::spawn(&Handle::current(), watch_caller(), f)) {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(_) => panic!("offload was refused: the runtime is shutting down [TF19]"),
        },
    }
}
