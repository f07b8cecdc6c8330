//! Names the thread-locals that a fiber leaves changed while it waits.
//!
//! Other code runs on the thread while a fiber waits. If the fiber has changed a thread-local until the end of a scope,
//! that code sees the changed value: a scope of `scoped-tls` or of `tokio::task_local!`, a borrowed `RefCell`, a depth
//! counter, the stack limit of `stacker::grow`. Where two such scopes overlap, safe code may read freed memory, as the
//! program in the [soundness chapter](crate::docs::soundness) does. This debugging tool finds them: after [`enable`],
//! each fiber compares the executable's thread-locals when it waits with those when it was resumed. Use it in tests, or
//! in a trial build of a server.
//!
//! Each thread-local is reported once per process, with the service and the source line of the wait: by a warning
//! through `tracing` (feature `tracing`) or else on standard error, and by [`findings()`].
//!
//! It also names a wait inside a call into Python (PyO3) or WebAssembly (wasmtime), which keep their place in a
//! thread-local, and says what to do there. Lua keeps its stack on the heap, where the lint does not see it.
//!
//! # What it does not report
//!
//! * Thread-locals whose changes are harmless are left out: those of the standard library, of this crate, of tokio's
//!   runtime, of `tracing_core` and `tracing_subscriber` (spans follow their fiber), of allocators, of `parking_lot`
//!   and of random numbers.
//! * The first change of a thread-local on a thread may fill a cache, which is harmless too. It is reported when the
//!   next change follows: when the scope ends, or when another fiber enters it. Scopes of `scoped-tls` and
//!   `task_local!` are recognised by the names that their macros give, and are reported at once.
//! * A cache, counter or buffer that changes again and again and is meant for all fibers of its thread is reported
//!   once. [`allow`] leaves it out.
//! * Only the executable's own thread-local block is compared, not the thread-locals of dynamic libraries nor the data
//!   that thread-locals point to.
//!
//! # Cost
//!
//! Almost nothing before [`enable`]. After it, each wait compares the thread-locals twice, at some nanoseconds a byte.
//!
//! # Platforms
//!
//! Linux, with the symbols in the executable: a build with `strip = true` has none.
//!
//! # Examples
//!
//! ```
//! use std::cell::RefCell;
//! use tokio::task::yield_now;
//! use tower_fiber::{WaitExt as _, lint, run_local};
//!
//! thread_local! {
//!     static BASKET: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # if cfg!(not(target_os = "linux")) { return }
//! lint::enable().expect("this is Linux, and the test is not stripped");
//! // Another fiber that reads the basket meanwhile would panic.
//! run_local(|| BASKET.with_borrow_mut(|_| yield_now().wait())).await;
//! let [finding] = &lint::findings()[..] else { panic!("there is one") };
//! assert!(finding.thread_local.ends_with("BASKET"));
//! # }
//! ```

mod error;
#[cfg(target_os = "linux")]
mod executable;
mod findings;
#[cfg(target_os = "linux")]
mod names;
#[cfg_attr(not(target_os = "linux"), path = "no_lint.rs")]
mod watch;

pub(crate) use self::watch::{Snapshot, is_on, look};
pub use self::{
    error::LintError,
    findings::{Finding, allow, findings},
    watch::enable,
};
