//! Locks and channels with the signatures of `std::sync`, whose waits suspend the fiber.
//!
//! A lock of `std::sync` that is held over a wait stops its thread for good when another fiber of the thread wants it.
//! These locks may be held over a wait. A migration is a change of `use`: `std::sync` becomes `tower_fiber::sync`, and
//! `std::sync::mpsc` becomes `tower_fiber::sync::mpsc`.
//!
//! | instead of | use |
//! |---|---|
//! | `std::sync::{Mutex, RwLock, Condvar}` | [`Mutex`], [`RwLock`], [`Condvar`] |
//! | `std::sync::Barrier` | [`Barrier`] |
//! | `std::sync::{Once, OnceLock, LazyLock}` | [`Once`], [`OnceLock`], [`LazyLock`] |
//! | `std::sync::mpsc` | [`mpsc`] |
//! | `parking_lot::ReentrantMutex` | [`ReentrantMutex`], which belongs to the fiber |
//!
//! `Arc`, `Weak`, `atomic`, `PoisonError` and the results of locks are std's own, and can be named from here.
//!
//! Left out are `std::sync::Once::wait`, `std::sync::Once::wait_force` and `std::sync::OnceLock::wait`, which are there
//! since 1.86: they wait until other code has initialised the value. Use tokio's `SetOnce`, whose `wait().wait()` does
//! the same, or a [`Condvar`].
//!
//! # Where they wait
//!
//! | the code runs | a lock that is taken, a channel that is empty or full |
//! |---|---|
//! | in a fiber | suspends the fiber, as [`await_in_fiber`] does |
//! | under [`block_on_waits`], in [`offload`], in a [`BlockingLayer`] | blocks the thread |
//! | on any other thread, with or without a runtime | blocks the thread |
//! | on a thread that drives a runtime, outside fibers: in an `async fn` | panics, because the thread would stop the tasks that it waits for; tokio prints a panic of its own first |
//! | where [`await_in_fiber`] refuses to wait: in [`no_wait`], in [`on_thread_stack`], in a future that the fiber waits for, in a waker or hook | panics, with the same text |
//! | where the thread is panicking, in a fiber | ends the process, as [`await_in_fiber`] does; use `try_lock` in destructors |
//! | in the destructor of a thread-local | blocks the thread |
//!
//! What is free, or there, is taken at once, everywhere. As with other waits, every 128th time in a row that a fiber
//! takes something at once, it lets other tasks run.
//!
//! The time-outs of [`Condvar`] and of [`mpsc::Receiver`] are tokio timers in fibers and under [`block_on_waits`],
//! and panic on a runtime without timers; elsewhere they need no runtime.
//!
//! # Fairness
//!
//! Locks and channels are fair: waiters are served first come, first served, whether they are fibers or threads, and no
//! later waiter overtakes an earlier one. A [`RwLock`] lets no reader in while a writer that came earlier waits, so a
//! fiber that reads must not read again while it does. A lock that its fiber takes a second time waits for ever, and a
//! [dump](crate::FiberHandle::dump) names the line.
//!
//! # Cancel safety
//!
//! As for [`await_in_fiber`]: a wait goes on under [`OnDrop::Finish`] and [`OnDrop::Cancel`]. Under [`OnDrop::Unwind`],
//! and in a [`LocalFiber`] that is dropped, it unwinds with [`Cancelled`]. Then the fiber leaves the line, its guards
//! are released, and a notification or a permit that it had just been given goes to the next one.
//!
//! # Poisoning
//!
//! As in std, a panic poisons the [`Mutex`] that is locked, the [`RwLock`] that is locked for writing, and the [`Once`]
//! and [`LazyLock`] that are initialised. A cancel does not: otherwise a client that disconnects would end the service
//! for all others. So under [`OnDrop::Unwind`] put a [`shield`] around an update that must not be cut in half by a
//! wait.
//!
//! # Examples
//!
//! ```
//! use tokio::task::yield_now;
//! use tower_fiber::{WaitExt as _, join_all, run_in_fiber, sync::{Arc, Mutex}};
//!
//! fn add(stock: &Mutex<u32>) {
//!     let mut stock = stock.lock().unwrap();
//!     let before = *stock;
//!     yield_now().wait(); // other fibers of the thread run, and wait for the lock
//!     *stock = before + 1;
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stock = Arc::new(Mutex::new(0));
//! let shared = Arc::clone(&stock);
//! run_in_fiber(move || {
//!     join_all((0..10).map(|_| {
//!         let stock = Arc::clone(&shared);
//!         move || add(&stock)
//!     }))
//! })
//! .await;
//! assert_eq!(*stock.lock().unwrap(), 10);
//! # }
//! ```
//!
//! [`BlockingLayer`]: crate::BlockingLayer
//! [`Cancelled`]: crate::Cancelled
//! [`LocalFiber`]: crate::LocalFiber
//! [`OnDrop::Cancel`]: crate::OnDrop::Cancel
//! [`OnDrop::Finish`]: crate::OnDrop::Finish
//! [`OnDrop::Unwind`]: crate::OnDrop::Unwind
//! [`await_in_fiber`]: crate::await_in_fiber
//! [`block_on_waits`]: crate::block_on_waits
//! [`no_wait`]: crate::no_wait
//! [`offload`]: crate::offload
//! [`on_thread_stack`]: crate::on_thread_stack
//! [`shield`]: crate::shield

mod barrier;
mod condvar;
mod lazy_lock;
pub mod mpsc;
mod mutex;
mod once;
mod once_lock;
mod poison;
mod reentrant;
mod rw_lock;
mod wait;

#[doc(no_inline)]
pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};

pub use self::{
    barrier::{Barrier, BarrierWaitResult},
    condvar::{Condvar, WaitTimeoutResult},
    lazy_lock::LazyLock,
    mutex::{Mutex, MutexGuard},
    once::{Once, OnceState},
    once_lock::OnceLock,
    reentrant::{ReentrantMutex, ReentrantMutexGuard},
    rw_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};
