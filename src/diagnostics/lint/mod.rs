//! Names the thread-locals that a fiber leaves changed while it waits: scopes that no type system sees.
//!
//! Other code runs on the thread while a fiber waits. A thread-local that the fiber has changed by then, and is to
//! change back, is seen changed by that code: a scope of `scoped-tls` or of `tokio::task_local!`, a borrowed `RefCell`,
//! a depth counter, the stack limit of `stacker::grow`. Where two such scopes overlap, safe code may read freed memory;
//! the chapter on [soundness](crate#soundness) has the program. This is a tool for debugging that finds them: after
//! [`enable`], each fiber compares the executable's thread-locals where it waits with those where it was resumed. Put
//! it into tests, or into a build of a server that you try out.
//!
//! What it finds is said once for each thread-local in the life of the process, with the service and the source line of
//! the wait: by a warning through `tracing` (feature `tracing`), else on standard error, and by [`findings()`].
//!
//! # What it does not say
//!
//! * Thread-locals whose changes are harmless are left out: those of the standard library, of this crate, of tokio's
//!   runtime, of `tracing_core` and `tracing_subscriber` (spans follow their fiber), of allocators, of `parking_lot`
//!   and of random numbers.
//! * A thread-local that a thread has never used may be a cache that is now filled, which is harmless too. So its first
//!   change is named only when the next one follows: when the scope is left, or when another fiber enters it. The
//!   scopes of `scoped-tls` and `task_local!` are known by the names that their macros give, and are named at once.
//! * A cache, a counter or a buffer in a thread-local that changes again and again, and is meant for all fibers of its
//!   thread, is named once. [`allow`] leaves it out.
//! * What is not in the executable's own thread-local block is not seen: thread-locals of dynamic libraries, and what
//!   the thread-locals only point to.
//!
//! # Cost
//!
//! Nothing to speak of before [`enable`]. After it, some nanoseconds for each byte of the thread-locals that are looked
//! at, twice for each wait.
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
//! // Another fiber that looks into the basket meanwhile would panic.
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
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod watch;

pub(crate) use self::watch::{Snapshot, is_on, look};
pub use self::{
    error::LintError,
    findings::{Finding, allow, findings},
    watch::enable,
};
