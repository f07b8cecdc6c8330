//! Lets ordinary synchronous code wait for futures, without blocking a thread and without a rewrite.
//!
//! In a service that is synchronous, each request that waits holds a thread. Making everything `async`, down to the
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
//! // Plain functions, as an old code base has them.
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
//! // A hundred calls on this one thread.
//! let begun = Instant::now();
//! let answers = join_all((0..100).map(|book| service.clone().oneshot(book))).await;
//! assert_eq!(answers[7], Ok("book 7 costs 70".to_owned()));
//! assert!(begun.elapsed() < Duration::from_secs(1));
//! # }
//! ```
//!
//! # What to use
//!
//! | to | use |
//! |---|---|
//! | run a service's calls in fibers | [`FiberLayer`], [`FiberService`], [`.fiber()`](ServiceExt::fiber); around an axum `Router` or a tonic server as well |
//! | make a tower service of a synchronous function | [`sync_fn`] |
//! | make an axum handler of a synchronous function | `axum::fiber`; on the blocking pool: `axum::blocking` (feature `axum`) |
//! | write axum middleware as a synchronous function | `axum::from_sync_fn` (feature `axum`) |
//! | read a request's body, write a response's, send events | `axum::BodyReader`, `axum::write_body`, `axum::sse` (feature `axum`) |
//! | talk over a websocket from a synchronous function | `ws.on_upgrade_fiber(f)` with an `axum::SyncWebSocket` (feature `ws`) |
//! | run one synchronous function in a fiber | [`run_in_fiber`], [`FiberLayer::run`]; if nothing is `Send`: [`run_local`] |
//! | wait inside a fiber | [`await_in_fiber`], [`WaitExt::wait`]; with an error instead of a panic: [`try_await_in_fiber`] |
//! | run synchronous functions side by side, or with a time-out | [`join`], [`join_all`], [`try_join`], [`race`], [`timeout`] |
//! | call an async function as a synchronous one | [`synchronize`] |
//! | burn CPU or really block | [`offload`]; whole calls: [`BlockingLayer`] |
//! | read and write an async stream with `Read`, `Write`, `Seek`, `BufRead` | `io::FiberIo`; in the place of `std::net::TcpStream`: `io::TcpStream`, `io::lookup_host` (feature `io`) |
//! | use a `Stream` as an iterator, make one of a synchronous producer | `stream::FiberIter`, `stream::fiber_stream` (feature `stream`) |
//! | let unmodified code wait, whose sockets, sleeps and locks are std's or a C library's | `FiberLayerBuilder::interpose` (feature `interpose`, Linux) |
//! | run the same synchronous code in tests, tools and `main` | [`block_on_waits`] |
//! | ask where the code runs, and whether its caller still waits | [`in_fiber`], [`wait_mode`], [`caller_gone`] |
//! | leave the fiber's stack, for code that does not work on it | [`on_thread_stack`] |
//! | keep a section from being cancelled | [`shield`] |
//! | keep a section from being interleaved with other fibers | [`no_wait`] |
//! | limit how many fibers there are | [`FiberLayerBuilder::max_fibers`] |
//! | let task-locals and other context follow a call | [`FiberLayerBuilder::carry`], [`Hook`] |
//! | keep a value for each fiber | [`fiber_local!`] |
//! | find code that blocks its thread | [`FiberLayerBuilder::detect_blocking`] |
//! | see where each fiber waits | [`FiberHandle::dump`], [`FiberHandle::dump_with_backtraces`] |
//! | measure calls, waits and fibers | `metrics` (feature `metrics`) |
//! | shut a layer down: no new calls, cancel, wait for the last | [`FiberLayer::handle`] |
//! | serve fast: one runtime per core | `per_core` (feature `per-core`) |
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
//!
//! With the feature `axum`, the chapter `docs::servers` lists the features of axum and tonic with their counterparts
//! for synchronous functions, and `docs::guide` answers "Will my library work?" and moves a handler step by step.
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
//! others by the question that each answers.
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
//! Fibers interleave in the middle of their frames, on one thread. That breaks code which assumes that scopes entered
//! on a thread are left in reverse order. Rust's type system cannot see this, and some safe code relies on it. The
//! following program has no `unsafe`, and yet it has undefined behaviour, with this crate as with every stackful
//! coroutine (including corosensei, on which this crate is built):
//!
//! ```no_run
//! use tokio::task::yield_now;
//! use tower_fiber::{WaitExt as _, run_local};
//!
//! scoped_tls::scoped_thread_local!(static NAME: String);
//!
//! fn scope(name: &str, waits: u32) {
//!     NAME.set(&name.to_owned(), || (0..waits).for_each(|_| yield_now().wait()));
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let first = run_local(|| scope("first", 1));
//! let second = run_local(|| scope("second", 2));
//! // `first` enters and waits; `second` enters, saves the pointer to `first`'s name, and waits; `first` leaves and frees
//! // its name; `second` leaves and restores the saved pointer, which now dangles.
//! tokio::join!(first, second);
//! NAME.with(|name| println!("{name}")); // reads freed memory
//! # }
//! ```
//!
//! Pinning fibers to their threads, which this crate never relaxes, protects code that depends on the *identity* of the
//! thread: `Rc`s, thread-local addresses that the compiler keeps in registers, guards that must be released where they
//! were taken. It does not protect code that depends on *nesting*. Do not hold these over a wait:
//!
//! * scopes of scoped thread-locals (`scoped-tls`, `LocalKey::with` around a wait that lets others change the value);
//! * `tokio::runtime::Handle::enter` guards, and `block_in_place`;
//! * `std::sync` lock guards that another fiber of the same thread may want: the thread then waits for itself;
//! * initialisers of `LazyLock` and `OnceLock`, for the same reason;
//! * `stacker::grow`, which keeps the thread's stack limit in a thread-local;
//! * calls into an interpreter (Lua, Python, WebAssembly) that other fibers of the thread enter too;
//! * reentrant locks (`parking_lot::ReentrantMutex`);
//! * a [`LocalFiber`] in a thread-local: at thread exit it may be unwound after other thread-locals that it borrows.
//!
//! The feature `lint` finds such scopes at run time, on Linux. After `lint::enable()` each fiber compares the
//! executable's thread-locals where it waits with those where it was resumed, and names the ones that it leaves
//! changed: in the program above, before the dangling pointer is read. It does not see locks, initialisers and
//! interpreters.
//!
//! With the feature `interpose`, each call of libc's that waits is such a wait, in layers that ask for it; std's locks
//! then suspend too. [`no_wait`] keeps a section from being interleaved.
//!
//! An interpreter (mlua, PyO3, wasmtime) keeps a stack of its calls. If a script calls a function that waits, and
//! another fiber of the thread enters the interpreter meanwhile, the calls of both lie on one stack and are taken off
//! in the wrong order: the scripts get each other's values, then the process ends with SIGSEGV or a failed assertion. A
//! reentrant lock admits every fiber of its thread, so updates are lost. In either case lock a `tokio::sync::Mutex`
//! around the whole call, [`offload`] it, or run it in [`on_thread_stack`], which refuses waits with an error. The
//! isolation chapter says more about [interpreters](docs::isolation#interpreters) and [reentrant
//! locks](docs::isolation#reentrant-locks).
//!
//! All `unsafe` code of the crate is in one module, whose chapter lists the invariants that each block cites.
//! Everything that a fiber owns is `'static`, so leaking a fiber is safe. Every poll and drop compares threads: a poll
//! on a foreign thread panics with a message that names both threads, and a drop on a foreign thread hands the fiber
//! home.
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
//! | `axum` | no | `axum`: synchronous functions as handlers and middleware, bodies that are read and written, events |
//! | `ws` | no | `axum::SyncWebSocket`: websockets for synchronous functions; enables `axum` |
//! | `per-core` | no | `per_core`: a server once per core, each on a runtime of its own |
//! | `interpose` | no | libc's blocking calls suspend the fiber, so that unmodified code waits (Linux): `interpose` |
//! | `lint` | no | `lint`: for debugging on Linux, names the thread-locals that a fiber leaves changed while it waits |
//!
//! # Platforms
//!
//! Linux on x86-64 is tested. Elsewhere the crate builds wherever corosensei does, but it is untested there.
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
#[cfg(feature = "stream")]
pub mod stream;
mod util;
mod wait;

#[cfg(feature = "lint")]
pub use self::diagnostics::lint;
#[cfg(feature = "metrics")]
pub use self::diagnostics::metrics;
#[cfg(feature = "tower")]
pub use self::layer::ServiceBuilderExt;
#[cfg(feature = "per-core")]
pub use self::per_core::per_core;
pub use self::{
    blocking::{BlockingLayer, BlockingLayerBuilder, BlockingService, block_on_waits},
    context::Hook,
    diagnostics::{BlockingDetector, Dump, FiberInfo, FiberState},
    error::Cancelled,
    fiber_local::FiberLocal,
    layer::{Counters, FiberHandle, FiberLayer, FiberLayerBuilder, FiberService, ServiceExt, SyncFn, future, sync_fn},
    pool::{FiberPool, FiberPoolBuilder},
    run::{
        AsyncFunction, InFiber, LocalFiber, join, join_all, offload, race, run_in_fiber, run_local, synchronize,
        timeout, timeout_or_unwind, try_join, try_join_all,
    },
    settings::{OnDrop, Placement},
    wait::{
        UntilCallerGone, WaitExt, WaitMode, await_in_fiber, caller_gone, in_fiber, no_wait, on_thread_stack,
        remaining_stack, shield, try_await_in_fiber, until_caller_gone, wait_mode, yield_now,
    },
};

/// The README's examples.
#[cfg(all(doctest, feature = "axum", feature = "interpose", feature = "per-core"))]
#[doc = include_str!("../README.md")]
struct Readme;
