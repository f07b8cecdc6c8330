//! Lets ordinary synchronous code wait for futures, without blocking a thread and without a rewrite.
//!
//! In a synchronous service, each request that waits holds a thread. Making everything `async`, down to the
//! database driver, fixes this, and is often out of the question. This crate lets that code stay as it is. A
//! [`FiberLayer`] runs each call of a tower [`Service`](tower_service::Service) on a stackful coroutine, a *fiber*.
//! Anywhere below that call, however many synchronous functions deep, [`await_in_fiber`] suspends the fiber and yields
//! to the enclosing tokio task, as an `async fn` does at an `.await`. One thread then serves thousands of calls that
//! each look blocking.
//!
//! ```
//! use std::{convert::Infallible, time::{Duration, Instant}};
//! use futures_util::future::join_all;
//! use tower::{ServiceBuilder, ServiceExt as _};
//! use tower_fiber::{FiberLayer, WaitExt as _, sync_fn};
//!
//! // Synchronous functions, as an old code base has them.
//! fn price(book: u32) -> u32 {
//!     tokio::time::sleep(Duration::from_millis(100)).wait(); // asks a supplier
//!     book * 10
//! }
//!
//! fn handler(book: u32) -> Result<String, Infallible> {
//!     Ok(format!("book {book} costs {}", price(book)))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new().layer(FiberLayer::new()).service(sync_fn(handler));
//!
//! // A hundred calls on this one thread, where they would take ten seconds one after the other.
//! let begun = Instant::now();
//! let answers = join_all((0..100).map(|book| service.clone().oneshot(book))).await;
//! assert_eq!(answers[7], Ok("book 7 costs 70".to_owned()));
//! assert!(begun.elapsed() < Duration::from_secs(5));
//! # }
//! ```
//!
//! # What to use
//!
//! | to | use |
//! |---|---|
//! | run a service's calls in fibers | [`FiberLayer`], [`FiberService`], [`.fiber()`](ServiceExt::fiber); around an axum `Router` or a tonic server as well |
//! | make a tower service from a synchronous function | [`sync_fn`] |
//! | make an axum handler from a synchronous function | `axum::fiber`; on the blocking pool: `axum::blocking` (feature `axum`) |
//! | write axum middleware as a synchronous function | `axum::from_sync_fn` (feature `axum`) |
//! | give all handlers and middleware of a `Router` one drop policy or limit | `axum::fiber_defaults` (feature `axum`) |
//! | read a request's body, write a response's, send events | `axum::BodyReader`, `axum::write_body`, `axum::sse` (feature `axum`) |
//! | talk over a websocket from a synchronous function | `ws.on_upgrade_fiber(f)` with an `axum::SyncWebSocket` (feature `ws`) |
//! | run one synchronous function in a fiber | [`run_in_fiber`], [`FiberLayer::run`]; if it is not `Send`: [`run_local`] |
//! | wait inside a fiber | [`await_in_fiber`], [`WaitExt::wait`]; with an error instead of a panic: [`try_await_in_fiber`] |
//! | run synchronous functions side by side, or with a time-out | [`join`], [`join_all`], [`try_join`], [`race`], [`timeout`] |
//! | call an async function as a synchronous one | [`synchronize`] |
//! | run code that computes or blocks | [`offload`]; for whole calls: [`BlockingLayer`] |
//! | read and write an async stream with `Read`, `Write`, `Seek`, `BufRead` | `io::FiberIo`; in the place of `std::net::TcpStream`: `io::TcpStream`, `io::lookup_host` (feature `io`) |
//! | use a `Stream` as an iterator, make one from a synchronous producer | `stream::FiberIter`, `stream::fiber_stream` (feature `stream`) |
//! | let unmodified code wait that uses the sockets, sleeps and locks of std or of a C library | `FiberLayerBuilder::interpose` (feature `interpose`, Linux) |
//! | run the same synchronous code in tests, tools and `main` | [`block_on_waits`] |
//! | ask where the code runs, and whether its caller still waits | [`in_fiber`], [`wait_mode`], [`caller_gone`] |
//! | tell fibers apart in logs | [`fiber_id`] |
//! | leave the fiber's stack, for code that does not work on it | [`on_thread_stack`] |
//! | keep a section from being cancelled | [`shield`] |
//! | hold a lock over a wait, use a condition variable, a channel, a lazy value that waits | [`sync`], with std's signatures |
//! | keep a section from being interleaved with other fibers | [`no_wait`] |
//! | limit how many fibers exist at once | [`FiberLayerBuilder::max_fibers`] |
//! | let task-locals and other context follow a call | [`FiberLayerBuilder::carry`], [`Hook`] |
//! | keep a value for each fiber | [`fiber_local!`] |
//! | find code that blocks its thread | [`FiberLayerBuilder::detect_blocking`] |
//! | see where each fiber waits | [`FiberHandle::dump`], [`FiberHandle::dump_with_backtraces`]; in a browser: `axum::insight_routes` (feature `insight`); on a signal: `DumpOnSignal` (feature `signal`, Unix) |
//! | measure calls, waits and fibers | `metrics` (feature `metrics`) |
//! | shut a layer down: no new calls, cancel, wait for the last | [`FiberLayer::handle`] |
//! | serve with one runtime per core, the fastest way | `per_core` (feature `per-core`) |
//!
//! Do not use fibers for CPU-bound or truly blocking code, which stops its thread in a fiber as it does in an async
//! function: [`offload`] it, or put a [`BlockingLayer`] in the place of the [`FiberLayer`]. Write new code async.
//!
//! # How it works
//!
//! ```text
//!  client ── axum / tonic ── FiberService::call ──┬─ current-thread runtime: the caller's own task resumes the fiber  (in place)
//!                                                 └─ multi-thread runtime:  hand-off ── a pinned worker resumes it    (pool)
//!  on the fiber's stack:  service.call(request) → plain fn → plain fn → await_in_fiber(future)
//!                             ready    → value, no switch
//!                             pending  → suspend → task returns Pending → waker → task polled → resume → poll again
//! ```
//!
//! * The awaited future is polled on the fiber's own stack: it may borrow and need not be `Send`, and its panics
//!   surface at the call.
//! * A fiber never changes threads. On the thread that drives a current-thread runtime, it runs inside the caller's
//!   task. On other threads it runs on a worker of a [`FiberPool`]. The worker enters the caller's runtime, so sockets,
//!   timers and `tokio::spawn` are the caller's. [`Placement`] forces either.
//! * The wrapped service's future is kept on the heap and polled on a borrowed stack, so an idle async handler holds no
//!   stack. While synchronous code below it waits, it holds the stack, and a `select!`, `join!` or time-out *inside*
//!   the layer does not advance. Put time-outs outside.
//! * A stack is 2 MiB of address space, of which only touched pages take memory; a million fibers can wait at once. The
//!   [stacks chapter](docs::stacks) says what happens at each limit: back-pressure, and on overflow a message that
//!   names the service.
//! * To let other tasks run, every 128th wait in a row that was ready at once yields.
//! * A call that waits once takes some 900 instructions by default, and 7,300 with a limit, metrics, a blocking
//!   detector, a subscriber and a span. `BENCHMARKS.md` in the repository has the times.
//!
//! More [chapters](docs) come with the feature `axum`. `docs::guide` answers "Will my library work?" and says how to
//! test, `docs::migration` moves a code base step by step, and `docs::layers` says in which order layers go.
//! `docs::servers` lists the features of axum and tonic with their counterparts for synchronous functions.
//! `docs::comparison` puts the crate beside other ways to wait.
//!
//! # Context
//!
//! The caller's `tracing` span is the fiber's parent, and spans entered in a fiber show in no other task of the thread.
//! [`carry`](FiberLayerBuilder::carry) lets task-locals follow a call, and a [`Hook`] any other context. All of it
//! reaches the fibers of [`join`] and [`race`], and the closures that [`offload`] runs. The [isolation
//! chapter](docs::isolation) says what is kept apart and what is not.
//!
//! # Insight
//!
//! [`detect_blocking`](FiberLayerBuilder::detect_blocking) logs a warning while a fiber is blocking its thread. A
//! [`dump`](FiberHandle::dump) says where each fiber waits. The [insight chapter](docs::insight) lists these tools and
//! others by the question that each answers. Messages that ask you to act end with a code, such as `[TF01]`. The
//! [errors chapter](docs::errors) says why each appears and what to do.
//!
//! # Dropped calls
//!
//! A synchronous function does not expect to be stopped in the middle. The layer's [`OnDrop`] decides what happens when
//! a response future is dropped (the client has gone, a time-out has elapsed) while synchronous code waits:
//!
//! | policy | fallible waits ([`try_await_in_fiber`]) | infallible waits ([`await_in_fiber`]) | risks |
//! |---|---|---|---|
//! | [`Finish`](OnDrop::Finish), the default | go on | go on | work for a caller that has gone |
//! | [`Cancel`](OnDrop::Cancel) | fail with [`Cancelled`](error::TryAwaitError::Cancelled) | go on | the code's own error paths |
//! | [`Unwind`](OnDrop::Unwind) | fail with [`Cancelled`](error::TryAwaitError::Cancelled) | unwind with the payload [`Cancelled`] | half-done updates, poisoned locks, C frames abort |
//!
//! [`grace`](FiberLayerBuilder::grace) gives a fiber time to finish before it is cancelled, [`shield`] protects a
//! section from being cancelled, and [`caller_gone`] and [`until_caller_gone`] tell the code that its caller no longer
//! waits.
//!
//! In place, the rest of the fiber runs as a task of the runtime that polled it; on the pool it stays on its worker. A
//! panic reaches the caller with its payload, as if the service had been called directly. The [lifecycle
//! chapter](docs::lifecycle) has every event: drops, cancels, panics, threads and runtimes that end, shutting down.
//!
//! # Soundness
//!
//! A fiber never changes threads, so locals, borrows, `Rc`s and addresses of thread-locals are safe across a wait.
//! Scopes that must nest on their thread are not, because the thread's other fibers run in between: scopes of
//! `scoped-tls`, and calls into an interpreter that other fibers enter too. Safe code that holds one of these over a
//! wait can have undefined behaviour, as with every stackful coroutine. [`no_wait`] refuses waits in such a section,
//! and the feature `lint` finds many of them.
//!
//! The [soundness chapter](docs::soundness) has a program that shows it, a table of what not to hold over a wait, what
//! reports each, and how the crate's own `unsafe` code is kept and tested.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `tower` | yes | `ServiceBuilderExt`: `.fiber()` on tower's `ServiceBuilder` |
//! | `tracing` | yes | spans follow their fiber; events: the pool was started, a fiber was leaked or blocks its thread, calls wait at a limit |
//! | `backtrace` | no | in the warnings of a layer's [`detect_blocking`](FiberLayerBuilder::detect_blocking), the functions that a blocked thread is in (Linux) |
//! | `metrics` | no | `metrics`: calls, waits, fibers, times, through the `metrics` facade |
//! | `io` | no | `io`: `Read`, `Write`, `Seek`, `BufRead` over asynchronous streams; TCP connections and names |
//! | `stream` | no | `stream`: a `Stream` as an iterator, synchronous functions and iterators as streams |
//! | `axum` | no | `axum`: synchronous functions as handlers and middleware, bodies that are read and written, events, a server that ends in order |
//! | `insight` | no | `axum::insight_routes`: a page, JSON and text that show where fibers wait; enables `axum` |
//! | `ws` | no | `axum::SyncWebSocket`: websockets for synchronous functions; enables `axum` |
//! | `signal` | no | `DumpOnSignal`: what all fibers do, whenever the process gets a signal (Unix) |
//! | `per-core` | no | `per_core`: a server once per core, each on a runtime of its own |
//! | `shutdown` | no | `Shutdown`: ends a server in order at a signal; `axum` enables it |
//! | `http2` | no | `axum::serve` with HTTP/2, also for websockets; enables `axum` |
//! | `interpose` | no | libc's blocking calls suspend the fiber, so that unmodified code waits (Linux): `interpose` |
//! | `lint` | no | `lint`: for debugging on Linux, names the thread-locals that a fiber leaves changed while it waits |
//!
//! # Platforms
//!
//! Linux on x86-64 is tested. The [platforms chapter](docs::platforms) says what works elsewhere.
//!
//! # Minimum supported Rust version
//!
//! 1.85, which tokio requires too.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
pub mod axum;
mod blocking;
mod call;
mod context;
mod diagnostics;
pub mod docs;
mod drain;
pub mod error;
mod fiber;
mod fiber_local;
#[cfg(all(feature = "interpose", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod interpose;
#[cfg(feature = "io")]
pub mod io;
mod layer;
#[cfg(feature = "per-core")]
pub mod per_core;
mod pool;
mod raw;
mod run;
mod settings;
#[cfg(feature = "shutdown")]
mod shutdown;
#[cfg(feature = "stream")]
pub mod stream;
pub mod sync;
mod util;
mod wait;

#[cfg(feature = "lint")]
pub use self::diagnostics::lint;
#[cfg(feature = "metrics")]
pub use self::diagnostics::metrics;
#[cfg(feature = "tower")]
pub use self::layer::ServiceBuilderExt;
#[cfg(all(feature = "signal", unix))]
pub use self::layer::{DumpFormat, DumpOnSignal};
#[cfg(feature = "per-core")]
pub use self::per_core::per_core;
#[cfg(feature = "shutdown")]
pub use self::shutdown::{Shutdown, Stopped, shutdown_signal};
pub use self::{
    blocking::{
        BlockingCounters, BlockingHandle, BlockingLayer, BlockingLayerBuilder, BlockingService, block_on_waits,
    },
    context::Hook,
    diagnostics::{BlockingDetector, Dump, FiberInfo, FiberState},
    drain::ShutdownReport,
    error::Cancelled,
    fiber::FiberId,
    fiber_local::FiberLocal,
    layer::{Counters, FiberHandle, FiberLayer, FiberLayerBuilder, FiberService, ServiceExt, SyncFn, future, sync_fn},
    pool::{FiberPool, FiberPoolBuilder},
    run::{
        AsyncFunction, InFiber, LocalFiber, join, join_all, offload, race, run_in_fiber, run_local, synchronize,
        timeout, timeout_or_unwind, try_join, try_join_all,
    },
    settings::{OnDrop, Placement},
    wait::{
        UntilCallerGone, WaitExt, WaitMode, await_in_fiber, caller_gone, fiber_id, in_fiber, no_wait, on_thread_stack,
        remaining_stack, shield, try_await_in_fiber, until_caller_gone, wait_mode, yield_now,
    },
};

/// The README's examples.
#[cfg(all(doctest, feature = "axum", feature = "interpose", feature = "per-core"))]
#[doc = include_str!("../README.md")]
struct Readme;
