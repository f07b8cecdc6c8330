//! The chapters: whether a library works, how to move a code base, what happens when, and what is kept apart.
//!
//! # Files
//!
//! The chapters name files of the crate's repository, such as `tests/axum` or `examples/hooks`. The published package
//! contains only the sources, the chapters, and the examples that are single files.

#[macro_use]
mod files;

// The first definition of a link counts: without the feature these lead to the table of features.
#[cfg_attr(feature = "interpose", doc = "[interposition chapter]: crate::docs::interposition")]
#[cfg_attr(feature = "interpose", doc = "[locks]: crate::docs::interposition#locks")]
/// [`FiberLayer`]: crate::FiberLayer
/// [`TryAwaitError`]: crate::error::TryAwaitError
/// [`await_in_fiber`]: crate::await_in_fiber
/// [`block_on_waits`]: crate::block_on_waits
/// [`no_wait`]: crate::no_wait
/// [`on_thread_stack`]: crate::on_thread_stack
/// [`run_in_fiber`]: crate::run_in_fiber
/// [`shield`]: crate::shield
/// [`try_await_in_fiber`]: crate::try_await_in_fiber
/// [a fiber that blocks its thread]: crate::docs::insight#a-fiber-that-blocks-its-thread
/// [a lock that is never released]: crate::docs::insight#a-lock-that-is-never-released
/// [canaries]: crate::docs::isolation#canaries
/// [dump]: crate::FiberHandle::dump
/// [guards]: crate::docs::stacks#guards
/// [interposition chapter]: crate#features
/// [isolation chapter]: crate::docs::isolation
/// [lifecycle chapter]: crate::docs::lifecycle
/// [locked memory]: crate::docs::stacks#locked-memory
/// [locks]: crate#features
/// [overflow]: crate::docs::stacks#overflow
/// [overload]: crate::docs::stacks#overload
/// [shutting down]: crate::docs::lifecycle#shutting-down
/// [time-outs and retries]: crate::docs::lifecycle#time-outs-and-retries
/// [while a thread panics]: crate::docs::lifecycle#while-a-thread-panics
///
#[doc = include_str!("../../docs/errors.md")]
pub mod errors {}
#[cfg(feature = "axum")]
/// [`OnDrop`]: crate::OnDrop
/// [`carry`]: crate::FiberLayerBuilder::carry
/// [`detect_blocking`]: crate::FiberLayerBuilder::detect_blocking
/// [`dump`]: crate::FiberHandle::dump
/// [`interpose`]: crate::interpose
/// [`offload`]: crate::offload
/// [interpreters]: crate::docs::guide#interpreters
/// [soundness]: crate::docs::soundness
///
#[doc = files!()]
#[doc = include_str!("../../docs/comparison.md")]
pub mod comparison {}
#[cfg(feature = "axum")]
/// [`FiberLayer`]: crate::FiberLayer
/// [`OnDrop::Cancel`]: crate::OnDrop
/// [`OnDrop`]: crate::OnDrop
/// [`block_on_waits`]: crate::block_on_waits
/// [`carry`]: crate::FiberLayerBuilder::carry
/// [`detect_blocking`]: crate::FiberLayerBuilder::detect_blocking
/// [`fiber_id`]: crate::fiber_id
/// [`hook`]: crate::FiberLayerBuilder::hook
/// [`interpose`]: crate::interpose
/// [`join_all`]: crate::join_all
/// [`join`]: crate::join
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`no_wait`]: crate::no_wait
/// [`offload`]: crate::offload
/// [`on_thread_stack`]: crate::on_thread_stack
/// [`run_in_fiber`]: crate::run_in_fiber
/// [`timeout(d, f)`]: fn@crate::timeout
/// [`tower_fiber::sync::ReentrantMutex`]: crate::sync::ReentrantMutex
/// [`tower_fiber::sync::RwLock`]: crate::sync::RwLock
/// [`tower_fiber::sync::mpsc`]: crate::sync::mpsc
/// [`tower_fiber::sync::{..}`]: crate::sync
/// [`tower_fiber::sync`]: crate::sync
/// [insight chapter]: crate::docs::insight
/// [isolation]: crate::docs::isolation
/// [isolation chapter]: crate::docs::isolation#reentrant-locks
/// [isolation of interpreters]: crate::docs::isolation#interpreters
/// [lifecycle chapter]: crate::docs::lifecycle
/// [migration chapter]: crate::docs::migration
/// [servers chapter]: crate::docs::servers
/// [soundness]: crate::docs::soundness
/// [stacks chapter]: crate::docs::stacks
///
#[doc = files!()]
#[doc = include_str!("../../docs/guide.md")]
pub mod guide {}
/// [`BlockingDetector`]: crate::BlockingDetector
/// [`Counters::blocked`]: crate::Counters::blocked
/// [`Dump::to_json`]: crate::Dump::to_json
/// [`FiberHandle::counters`]: crate::FiberHandle::counters
/// [`FiberLayerBuilder::detect_blocking`]: crate::FiberLayerBuilder::detect_blocking
/// [`dump_with_backtraces`]: crate::FiberHandle::dump_with_backtraces
/// [`dump`]: crate::FiberHandle::dump
/// [`fiber_id`]: crate::fiber_id
/// [`measure_stacks`]: crate::FiberHandle::measure_stacks
/// [`offload`]: crate::offload
/// [`tower_fiber::sync`]: crate::sync
/// [`yield_now`]: crate::yield_now
/// [errors chapter]: crate::docs::errors
///
#[doc = include_str!("../../docs/insight.md")]
pub mod insight {}
#[cfg(feature = "interpose")]
/// [`FiberIo`]: crate::io::FiberIo
/// [`OnDrop::Cancel`]: crate::OnDrop::Cancel
/// [`OnDrop::Unwind`]: crate::OnDrop::Unwind
/// [`build`]: crate::FiberLayerBuilder::build
/// [`interpose::calls`]: crate::interpose::calls
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`no_wait`]: crate::no_wait
/// [`on_thread_stack`]: crate::on_thread_stack
/// [soundness chapter]: crate::docs::soundness
///
#[doc = files!()]
#[doc = include_str!("../../docs/interposition.md")]
pub mod interposition {}
// The first definition of a link counts: without the feature these lead to the table of features.
#[cfg_attr(feature = "axum", doc = "[guide]: crate::docs::guide#interpreters")]
#[cfg_attr(feature = "axum", doc = "[layers chapter]: crate::docs::layers")]
#[cfg_attr(feature = "axum", doc = "[scopes in middleware]: crate::docs::servers#scopes-in-middleware")]
/// [guide]: crate#features
/// [layers chapter]: crate#features
/// [scopes in middleware]: crate#features
/// [`BlockingLayer`]: crate::BlockingLayer
/// [`Borrowed`]: crate::error::TryAwaitError::Borrowed
/// [`FiberLayer`]: crate::FiberLayer
/// [`Hook`]: crate::Hook
/// [`block_on_waits`]: crate::block_on_waits
/// [`cancel_all`]: crate::FiberHandle::cancel_all
/// [`carry(&KEY)`]: crate::FiberLayerBuilder::carry
/// [`drained`]: crate::FiberHandle::drained
/// [`fiber_local!`]: crate::fiber_local
/// [`hook(..)`]: crate::FiberLayerBuilder::hook
/// [`join_all`]: crate::join_all
/// [`join`]: crate::join
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`no_wait`]: crate::no_wait
/// [`offload`]: crate::offload
/// [`race`]: crate::race
/// [`run_in_fiber`]: crate::run_in_fiber
/// [`run_local`]: crate::run_local
/// [`sync::Mutex`]: crate::sync::Mutex
/// [`sync::ReentrantMutex`]: crate::sync::ReentrantMutex
/// [soundness]: crate::docs::soundness
///
#[doc = files!()]
#[doc = include_str!("../../docs/isolation.md")]
pub mod isolation {}
#[cfg(feature = "axum")]
/// [`FiberLayer`]: crate::FiberLayer
/// [`OnDrop`]: crate::OnDrop
/// [`axum::fiber_with`]: crate::axum::fiber_with
/// [`carry`]: crate::FiberLayerBuilder::carry
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`timeout`]: crate::timeout
/// [servers chapter]: crate::docs::servers#scopes-in-middleware
///
#[doc = files!()]
#[doc = include_str!("../../docs/layers.md")]
pub mod layers {}
// The first definition of a link counts: without the feature these lead to the table of features.
#[cfg_attr(feature = "axum", doc = "[`Serve::grace`]: crate::axum::Serve::grace")]
#[cfg_attr(feature = "shutdown", doc = "[`Shutdown`]: crate::Shutdown")]
#[cfg_attr(feature = "axum", doc = "[`Stopping`]: crate::axum::Stopping")]
#[cfg_attr(feature = "axum", doc = "[`axum::serve`]: crate::axum::serve")]
#[cfg_attr(all(feature = "axum", feature = "per-core"), doc = "[`on_core`]: crate::axum::Serve::on_core")]
#[cfg_attr(feature = "per-core", doc = "[`per_core`]: fn@crate::per_core")]
/// [`BlockingHandle::shutdown`]: crate::BlockingHandle::shutdown
/// [`Cancel`]: crate::OnDrop::Cancel
/// [`Cancelled`]: crate::Cancelled
/// [`Closed`]: crate::error::Closed
/// [`Counters::abandoned`]: crate::Counters::abandoned
/// [`Counters::leaked`]: crate::Counters::leaked
/// [`FiberHandle::shutdown`]: crate::FiberHandle::shutdown
/// [`FiberPool`]: crate::FiberPool
/// [`Finish`]: crate::OnDrop::Finish
/// [`LocalFiber`]: crate::LocalFiber
/// [`Serve::grace`]: crate#features
/// [`ShutdownReport::left`]: crate::ShutdownReport::left
/// [`Shutdown`]: crate#features
/// [`Stopping`]: crate#features
/// [`Unwind`]: crate::OnDrop::Unwind
/// [`Unwinding`]: crate::error::TryAwaitError::Unwinding
/// [`await_in_fiber`]: crate::await_in_fiber
/// [`axum::serve`]: crate#features
/// [`caller_gone`]: crate::caller_gone
/// [`cancel_all`]: crate::FiberHandle::cancel_all
/// [`close`]: crate::FiberHandle::close
/// [`grace`]: crate::FiberLayerBuilder::grace
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`on_core`]: crate#features
/// [`per_core`]: crate#features
/// [`shield`]: crate::shield
/// [`try_await_in_fiber`]: crate::try_await_in_fiber
/// [dump]: crate::FiberHandle::dump
///
#[doc = files!()]
#[doc = include_str!("../../docs/lifecycle.md")]
pub mod lifecycle {}
#[cfg(feature = "axum")]
/// [`BlockingLayer`]: crate::BlockingLayer
/// [`FiberLayer`]: crate::FiberLayer
/// [`OnDrop::Finish`]: crate::OnDrop
/// [`block_on_waits`]: crate::block_on_waits
/// [`counters`]: crate::FiberHandle::counters
/// [`interpose`]: crate::interpose
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`offload`]: crate::offload
/// [guide]: crate::docs::guide
/// [insight chapter]: crate::docs::insight
/// [layers chapter]: crate::docs::layers
/// [lifecycle chapter]: crate::docs::lifecycle
/// [pools]: crate::docs::guide#pools
/// [servers chapter]: crate::docs::servers
/// [what to watch]: crate::docs::guide#what-to-watch
///
#[doc = include_str!("../../docs/migration.md")]
pub mod migration {}
/// [corosensei's stacks]: crate::docs::stacks#other-systems
/// [guards]: crate::docs::stacks#guards
///
#[doc = files!()]
#[doc = include_str!("../../docs/platforms.md")]
pub mod platforms {}
#[cfg(feature = "axum")]
/// [`BlockingLayer`]: crate::BlockingLayer
/// [`CallerGone`]: crate::axum::CallerGone
/// [`FiberIter`]: crate::stream::FiberIter
/// [`FiberLayer`]: crate::FiberLayer
/// [`OnDrop`]: crate::OnDrop
/// [`axum::BodyError`]: crate::axum::BodyError
/// [`axum::BodyReader`]: crate::axum::BodyReader
/// [`axum::Next::run`]: crate::axum::Next::run
/// [`axum::blocking_with`]: crate::axum::blocking_with
/// [`axum::blocking`]: crate::axum::blocking
/// [`axum::fiber_defaults`]: crate::axum::fiber_defaults
/// [`axum::fiber_with`]: crate::axum::fiber_with
/// [`axum::fiber`]: crate::axum::fiber
/// [`axum::from_sync_fn_with_state`]: crate::axum::from_sync_fn_with_state
/// [`axum::from_sync_fn_with`]: crate::axum::from_sync_fn_with
/// [`axum::from_sync_fn`]: crate::axum::from_sync_fn
/// [`axum::serve`]: crate::axum::serve
/// [`axum::sse`]: crate::axum::sse
/// [`axum::write_body`]: crate::axum::write_body
/// [`caller_gone`]: crate::caller_gone
/// [`fiber_defaults`]: crate::axum::fiber_defaults
/// [`fiber_stream_with`]: crate::stream::fiber_stream_with
/// [`shield`]: crate::shield
/// [`sync_fn`]: crate::sync_fn
/// [event streams and websockets]: crate::docs::lifecycle#shutting-down
/// [streams]: crate::docs::isolation#streams-bodies-and-websockets
///
#[doc = files!()]
#[doc = include_str!("../../docs/servers.md")]
pub mod servers {}
// The first definition of a link counts: without the feature this leads to the table of features.
#[cfg_attr(feature = "axum", doc = "[guide]: crate::docs::guide#what-to-watch")]
/// [`LocalFiber`]: crate::LocalFiber
/// [`detect_blocking`]: crate::FiberLayerBuilder::detect_blocking
/// [`fiber_local!`]: crate::fiber_local
/// [`no_wait`]: crate::no_wait
/// [`tower_fiber::sync`]: crate::sync
/// [TF02]: crate::docs::errors#tf02-waited-inside-a-future
/// [TF03]: crate::docs::errors#tf03-waited-inside-on_thread_stack
/// [TF04]: crate::docs::errors#tf04-waited-in-a-callback
/// [TF05]: crate::docs::errors#tf05-waited-inside-no_wait
/// [TF06]: crate::docs::errors#tf06-waited-while-a-carried-task-local-is-borrowed
/// [TF08]: crate::docs::errors#tf08-a-fiber-cannot-suspend-while-its-thread-is-panicking
/// [TF13]: crate::docs::errors#tf13-polled-on-another-thread
/// [TF26]: crate::docs::errors#tf26-a-fiber-overflowed-its-stack
/// [TF30]: crate::docs::errors#tf30-leaked
/// [TF32]: crate::docs::errors#tf32-a-fiber-waits-for-a-lock
/// [TF34]: crate::docs::errors#tf34-a-fiber-left-its-thread-changed
/// [TF35]: crate::docs::errors#tf35-a-thread-local-was-changed-over-a-wait
/// [guide]: crate#features
/// [interpreters]: crate::docs::isolation#interpreters
/// [isolation chapter]: crate::docs::isolation#canaries
/// [other systems]: crate::docs::stacks#other-systems
/// [reentrant locks]: crate::docs::isolation#reentrant-locks
///
#[doc = files!()]
#[doc = include_str!("../../docs/soundness.md")]
pub mod soundness {}
/// [`FiberLayer::run`]: crate::FiberLayer::run
/// [`max_fibers`]: crate::FiberLayerBuilder::max_fibers
/// [`measure_stacks`]: crate::FiberHandle::measure_stacks
/// [`on_thread_stack`]: crate::on_thread_stack
/// [`remaining_stack`]: crate::remaining_stack
/// [`stack_hygiene`]: crate::FiberLayerBuilder::stack_hygiene
/// [`stack_size`]: crate::FiberLayerBuilder::stack_size
/// [platforms chapter]: crate::docs::platforms
///
#[doc = include_str!("../../docs/stacks.md")]
pub mod stacks {}
