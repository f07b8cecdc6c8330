//! The unsafe core: fibers over corosensei, and what must hold for them.
//!
//! This is the only module of the crate in which `unsafe` is allowed. It knows nothing of tower, runtimes or drop
//! policies (of tokio it uses what threads wait with); what it offers upwards ([`Fiber`], [`with_current`], [`State`]) is safe to call.
//!
//! # Words
//!
//! * The *owner* is the [`Fiber`] value. It can be moved freely, also to other threads: nothing points into it
//!   between two polls.
//! * The *coroutine* is corosensei's handle of a stack in use.
//! * The [`State`] is a local variable of [`entry`], the first function on the coroutine's stack.
//! * A [`Frame`](frame) is a local variable of one [`Fiber::poll`] or [`poll_bare`](Fiber::poll_bare), on the poller's stack: the waker of
//!   that poll, the owner's slot and base, the ending, its orders, whom the fiber may ask about its caller. Each resume passes a
//!   pointer to a new one. The fiber answers in it too, by its *notes*: how it suspended, whether another fiber waits inside.
//! * The *base* is the owner's part that does not depend on what the fiber runs: name, home, account, the addresses of the stack. The
//!   owner changes it between two polls only; the fiber looks at it, and changes what is in its cells.
//! * The *roll* of a thread lists its fibers that wait, with their wakers; the *account* of a fiber keeps its layer's
//!   numbers balanced. Neither holds a pointer to anything on a stack.
//! * The *post* of a thread says which fiber runs there now, if its layer has a watch, and the *sentry* is what such a layer has of that. A
//!   *stretch* is what a fiber does between a resume and the next suspend.
//! * The *ticket* and the *admission* are what a fiber has of a permit and a stack before it begins; the *slab* is a mapping
//!   that many stacks lie in.
//! * The *slot* is the owner's field through which the job passes in, and a parked root in and out. The *ending* is where the poller wants
//!   the outcome: the fiber puts it there itself.
//!
//! # States
//!
//! | state | slot | coroutine | who may touch what |
//! |---|---|---|---|
//! | fresh | `Start(job)` | none | the owner, on any thread that may have the job |
//! | running | `Running` | on this thread's CPU | the fiber: `State`, latest `Frame`, slot and ending through it; the owner is borrowed by its `poll` |
//! | suspended | `Running` | on its stack | the owner, at home only: resume |
//! | parked | `Parked(root)` | none | the owner, at home only: poll again, or drop the root |
//! | finished | `Running` | none | nobody |
//!
//! `fresh → running → (suspended → running)* → parked | finished`, and `parked → running` again.
//!
//! # Invariants
//!
//! Each `SAFETY` comment cites these by number.
//!
//! 1. **Home.** Once a fiber has a home, its coroutine is resumed and its parked root touched on that thread only.
//!    [`Fiber::poll`] and `Drop` compare [`Home`]s before anything else.
//! 2. **`'static`.** Job, root and output are `'static`, and so is everything that a fiber's frames own; a fiber that
//!    is never resumed again is a leak and nothing worse.
//! 3. **Current.** The thread's current-fiber slot is empty or points to the `State` of the fiber whose stack is
//!    executing on this thread. The fiber writes it when it begins and after each suspend; the poller's
//!    [`Restore`](current::Restore) guard puts the former value back when control returns, also by unwinding.
//! 4. **State.** A `State` lives from the first to the last statement of its `entry`, and so does the yielder that
//!    `entry` was given. While the coroutine is not done its stack is neither unmapped nor reused.
//! 5. **Frame.** A `Frame`, and all that it points to, outlives the resume that it is passed to. A `State` always holds the
//!    pointer of the latest resume, and only running code of the fiber follows it; it lives until control returns to
//!    the poller. From the resume until then the poll that made it touches neither the owner's slot, nor its base, nor the ending. A fiber that
//!    is polled inside another may take over pointers of that one's frame, which encloses its own, and one to its `State`.
//! 6. **Types.** A `Frame` passed to the coroutine of a `Fiber<J>` points to that fiber's `Slot<J>` and to an `Ending<J>` which is `Pending`; the
//!    coroutine was made with `entry::<J>`.
//! 7. **No implicit unwinding.** A coroutine that is not done is never dropped: it is resumed to its end or forgotten.
//!    `Drop for Coroutine` would unwind it with a payload of corosensei's own.
//! 8. **Stacks.** A stack's slot in its slab, guard included, is at each moment in one place: owned by one `FiberStack`, or idle in a thread's
//!    cache, or free in its slab. Only who has it touches its memory. A slab is unmapped when all its slots are free; what guards it has are made and taken away in free slots. A
//!    `FiberStack` leaves a coroutine only when that is done; by then `entry` has returned, and with it every
//!    destructor of the fiber has run.
//! 9. **Root.** `entry` never unwinds: it catches what the job throws and hands it out through the ending.
//! 10. **Send.** A fresh fiber holds its job only, a running or suspended or parked one is guarded by invariant 1, and
//!     an outcome goes to who polls, within the poll that produced it. Fiber-locals are made by a fiber
//!     that runs, and touched at home only: elsewhere their owner forgets them. So a `Fiber<J>` may be sent if its job and output may.
//! 11. **Signals.** The handler of faults reads the current fiber's `State`, its latest `Frame` and what that points to: they belong to
//!     the code that was interrupted on the same thread (invariants 3 to 5). It calls what may be called in a handler, and the
//!     handler that was there before it in the way in which the system would have. A thread's signal stack is not freed before
//!     it has been taken out of use.
//! 12. **Plain calls.** The call does not touch memory of the program's, or only what is passed to it for that, and keeps no pointer.
//! 13. **Thread stack.** What runs on a thread's stack by `on_thread_stack` is called and returns while its fiber, and each fiber
//!     around that, is running; each is marked, so that no wait suspends it and none can be resumed meanwhile.
//! 14. **Roll.** What is in a `Biased` is used by its owner, one thread, while that says so and nobody else wants it, and by others under
//!     the lock when the owner is not inside; the fence between saying and looking orders the two. An entry of a roll is there
//!     for no longer than its fiber's account, which holds the `Meta`.
//! 15. **Thread-locals.** The executable has one block of thread-locals on each thread, of one layout, mapped and readable for as long as the
//!     thread runs. The system says where the block of a thread lies, how long it is, and where the image lies from which it is
//!     made, which stays for the life of the program; the addresses of the block and of a thread-local of the crate's own in it give
//!     the distance, which is the same on each thread. Only bytes of that block, on its own thread, and of that image are read: one by one,
//!     volatile, by plain addresses. They are compared and never taken for a value; one that another thread changes meanwhile may be either.
//! 16. **Traces.** The handler of SIGURG is installed where none was. It runs on the thread that is asked, as a rule on a signal stack with
//!     room for it, and walks the stack only in the stretch that it was asked about, when the fiber is the current one (invariant 3) and
//!     its first functions have been entered and not been left. It calls what may be called in a handler; the unwinder has
//!     walked a stack before, so that nothing is left to be loaded or bound, needs no lock on Linux, and only reads. What the handler
//!     writes are atomics, and it leaves `errno` as it was.

#![expect(unsafe_code, reason = "stack switching cannot be written in safe Rust; the chapter above bounds it")]

mod account;
mod admission;
mod base;
mod biased;
mod calls;
mod clock;
mod current;
mod entry;
mod fence;
mod fiber;
mod frame;
mod home;
mod locals;
mod meta;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod post;
mod report;
mod roll;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod sentry;
mod stack;
mod state;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod survey;
mod tally;
#[cfg(all(feature = "lint", target_os = "linux"))]
mod thread_locals;
mod thread_stack;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod trace;

pub(crate) use admission::{Admission, Ticket};
pub(crate) use current::with_current;
pub(crate) use entry::{Ending, Exit, Job};
pub(crate) use fiber::{Fiber, Phase, is_within};
pub(crate) use frame::Caller;
pub(crate) use home::Home;
pub(crate) use locals::Locals;
pub(crate) use meta::{Bar, Conduct, Listener, Meta, Stacks, Watcher};
pub(crate) use post::{Running, keep_lookout, rest};
pub(crate) use report::Asking;
pub(crate) use roll::{FiberId, Listed, Roll, cancel_all, list, rolls, wake_all};
pub(crate) use sentry::Sentry;
pub(crate) use state::State;
#[cfg(feature = "tracing")]
pub(crate) use survey::Survey;
pub(crate) use tally::Event;
#[cfg(all(feature = "lint", target_os = "linux"))]
pub(crate) use thread_locals::{Block, PROBE_PATH};
pub(crate) use thread_stack::{on_thread_stack, remaining_stack};
#[cfg(feature = "tracing")]
pub(crate) use trace::{Trace, Untraceable};
