//! The unsafe core: fibers over corosensei, and what must hold for them.
//!
//! This is the only module of the crate in which `unsafe` is allowed. It knows nothing of tower, runtimes or drop
//! policies (of tokio it uses what threads wait with); what it offers upwards ([`Fiber`], [`with_current`], [`State`])
//! is safe to call.
//!
//! # Words
//!
//! * The *owner* is the [`Fiber`] value. It can be moved freely, also to other threads: nothing points into it
//!   between two polls.
//! * The *coroutine* is corosensei's handle of a stack in use.
//! * The [`State`] is a local variable of [`entry`], the first function on the coroutine's stack.
//! * A [`Frame`](frame) is a local variable of one [`Fiber::poll`] or [`poll_plain`](Fiber::poll_plain), on the
//!   poller's stack: the waker of that poll, the owner's slot and header, the ending, its *signals* (cancelled,
//!   unwinding, caller gone, report), whom the fiber may ask about its caller. Each resume passes a pointer to a new
//!   one. The fiber answers in it too, by its *reply*: how it suspended.
//! * The *header* is the owner's part that does not depend on what the fiber runs: name, home, call guard, the
//!   addresses of the stack. The owner changes it between two polls only; the fiber looks at it, and changes what is in
//!   its cells.
//! * What is [`AtHome`](at_home) belongs to the fiber's home thread: its coroutine, a parked root, its fiber-locals.
//!   Elsewhere it can be moved and forgotten, and nothing else.
//! * A *plain* call needs nothing but a stack, and has no fiber around it. It goes the way of all others, with what it
//!   does not need compiled out.
//! * The *nest* of a fiber counts the fibers inside it that wait, and those that do so in a shield. Their owners keep
//!   the counts, which therefore do not depend on which fiber was polled last.
//! * [*Foreign*](foreign) code is code of others that runs between two steps of this module: wakers, listeners,
//!   channels, clones. It runs with nothing locked and waits refused, and its panics are caught. Where tokio would run
//!   it with something locked, there is a [*relay*](relay) between.
//! * The *registry* of a thread lists its fibers that wait, with their wakers; the *call guard* of a fiber keeps its
//!   layer's numbers balanced. Neither holds a pointer to anything on a stack.
//! * The *run slot* of a thread says which fiber runs there now, if its layer detects blocking. A *stretch* is what a
//!   fiber does between a resume and the next suspend.
//! * The *admission* is what a call has of a *permit* and a stack before it begins. A permit belongs to a fiber that
//!   has a stack; before that a call has a *reservation* at most, which keeps new calls away. The *slab* is a mapping
//!   that many stacks lie in.
//! * The *slot* is the owner's field through which the job passes in, and a parked root in and out. The *ending* is
//!   where the poller wants the outcome: the fiber puts it there itself.
//!
//! # States
//!
//! | state | slot | coroutine | who may touch what |
//! |---|---|---|---|
//! | fresh | `Start(job)` | none | the owner, on any thread that may have the job |
//! | running | `Taken` | on this thread's CPU | the fiber: `State`, latest `Frame`, slot and ending through it; the owner is borrowed by its `poll` |
//! | suspended | `Taken` | on its stack | the owner, at home only: resume |
//! | parked | `Parked(root)` | none | the owner, at home only: poll again, or drop the root |
//! | finished | `Taken` | none | nobody |
//!
//! `fresh → running → (suspended → running)* → parked | finished`, and `parked → running` again.
//!
//! # Invariants
//!
//! Each `SAFETY` comment cites these by number.
//!
//! 1. **Home.** Once a fiber has a home, its coroutine is resumed, and its parked root and fiber-locals are touched, on
//!    that thread only: each way to them is through [`AtHome`](at_home), which compares the threads and never drops
//!    what is in it.
//! 2. **`'static`.** Job, root and output are `'static`, and so is everything that a fiber's frames own; a fiber that
//!    is never resumed again is a leak and nothing worse.
//! 3. **Current.** The thread's current-fiber slot is empty or points to the `State` of the fiber whose stack is
//!    executing on this thread. The fiber writes it when it begins and after each suspend, before it runs any other
//!    code; the poller's [`Restore`](current::Restore) guard puts the former value back when control returns, also by
//!    unwinding.
//! 4. **State.** A `State` lives from the first to the last statement of its `entry`, and so does the yielder that
//!    `entry` was given. While the coroutine is not done its stack is neither unmapped nor reused.
//! 5. **Frame.** A `Frame`, and all that it points to, outlives the resume that it is passed to. A `State` always holds
//!    the pointer of the latest resume, and only running code of the fiber follows it; it lives until control returns
//!    to the poller. From the resume until then the poll that made it touches neither the owner's slot, nor its header,
//!    nor the ending. A fiber that is polled inside another may take over pointers of that one's frame, which encloses
//!    its own, and one to its `State`. What is borrowed through a frame is never lent to code that may wait: that is a
//!    clone, or waits are refused meanwhile.
//! 6. **Types.** A `Frame` passed to the coroutine of a `Fiber<J>` points to that fiber's `Slot<J>` and to an
//!    `Ending<J>` which is `Pending`; the coroutine was made with `entry::<J>`. In debug builds the frame says which
//!    `J` it is of.
//! 7. **No implicit unwinding.** A coroutine that has been resumed and is not done is never dropped: it is resumed to
//!    its end or forgotten. `Drop for Coroutine` would unwind it with a payload of corosensei's own. One that has not
//!    been resumed has nothing to unwind.
//! 8. **Stacks.** A stack's slot in its slab, guard included, is at each moment in one place: owned by one
//!    `FiberStack`, or idle in a thread's cache, or free in its slab. Only who has it touches its memory. A slab is
//!    unmapped when all its slots are free; what guards it has are made and taken away in free slots. A `FiberStack`
//!    leaves a coroutine only when that is done; by then `entry` has returned, and with it every destructor of the
//!    fiber has run.
//! 9. **Root.** `entry` never unwinds: all but its first two statements, which run no code of others, is inside of its
//!    `catch_unwind`, and what is thrown is handed out through the ending.
//! 10. **Send.** A fresh fiber holds its job, a suspended or parked one what is `AtHome` (invariant 1), and an outcome
//!     goes to who polls, within the poll that produced it. So a `Fiber<J>` is `Send` if its job is, by its fields and
//!     without a promise.
//! 11. **Signals.** The handler of faults reads the current fiber's `State`, its latest `Frame` and what that points
//!     to: they belong to the code that was interrupted on the same thread (invariants 3 to 5). It calls what may be
//!     called in a handler, and the handler that was there before it in the way in which the system would have. A
//!     thread's signal stack is not freed before it has been taken out of use.
//! 12. **Plain calls.** The call does not touch memory of the program's, or only what is passed to it for that, and
//!     keeps no pointer.
//! 13. **Thread stack.** What runs on a thread's stack by `on_thread_stack` is called and returns while its fiber, and
//!     each fiber around that, is running; each is marked, so that no wait suspends it and none can be resumed
//!     meanwhile.
//! 14. **Registry.** What is in a `Biased` is used by its owner, one thread, while that says so and nobody else wants
//!     it, and by others under the lock when the owner is not inside; the fence between saying and looking orders the
//!     two. It is never entered twice, since no code of others runs inside. An entry of a registry is there for no
//!     longer than its fiber's call guard, which holds the `Shared`.
//! 15. **Thread-locals.** The executable has one block of thread-locals on each thread, of one layout, mapped and
//!     readable for as long as the thread runs. The system says where the block of a thread lies, how long it is, and
//!     where the image lies from which it is made, which stays for the life of the program; the addresses of the block
//!     and of a thread-local of the crate's own in it give the distance, which is the same on each thread. Only bytes
//!     of that block, on its own thread, and of that image are read: one by one, volatile, by plain addresses. They are
//!     compared and never taken for a value; one that another thread changes meanwhile may be either.
//! 16. **Traces.** The handler of SIGURG is installed where none was. It runs on the thread that is asked, as a rule on
//!     a signal stack with room for it, and walks the stack only in the stretch that it was asked about, when the fiber
//!     is the current one (invariant 3) and its first functions have been entered and not been left. It calls what may
//!     be called in a handler; the unwinder has walked a stack before, so that nothing is left to be loaded or bound,
//!     needs no lock on Linux, and only reads. What the handler writes are atomics, and it leaves `errno` as it was.
//! 17. **Numbers.** A thread's numbers in a layer are made once, in a box, and live as long as the layer's `Shared`,
//!     which the call guard of each fiber holds from before its first count to after its last.

#![expect(unsafe_code, reason = "stack switching cannot be written in safe Rust; the chapter above bounds it")]

mod admission;
mod at_home;
mod biased;
mod call_guard;
mod clock;
mod counters;
mod current;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod detector;
mod entry;
mod event;
mod fence;
mod fiber;
pub(crate) mod foreign;
mod frame;
mod header;
mod home;
mod id;
mod in_flight;
mod limit;
mod locals;
mod nest;
mod registry;
mod relay;
mod report;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod run_slot;
mod shared;
mod stack;
mod state;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod survey;
#[cfg(all(feature = "lint", target_os = "linux"))]
mod thread_locals;
mod thread_stack;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod trace;

pub(crate) use admission::Admission;
pub(crate) use current::with_current;
pub(crate) use detector::DetectorSettings;
pub(crate) use entry::{Ending, Exit, Job};
pub(crate) use event::Event;
pub(crate) use fiber::{Fiber, Phase, is_within};
pub(crate) use foreign::{foreign, let_go};
pub(crate) use frame::Caller;
pub(crate) use home::Home;
pub(crate) use id::FiberId;
pub(crate) use locals::Locals;
pub(crate) use registry::{Listed, Registry, cancel_all, list, registries, wake_all};
pub(crate) use relay::Relayed;
pub(crate) use report::Asking;
pub(crate) use run_slot::{Running, keep_lookout, rest};
pub(crate) use shared::{Bar, DropPolicy, Listener, Luggage, Shared, Stacks, Watcher};
pub(crate) use state::State;
#[cfg(feature = "tracing")]
pub(crate) use survey::Survey;
#[cfg(all(feature = "lint", target_os = "linux"))]
pub(crate) use thread_locals::{Block, PROBE_PATH};
pub(crate) use thread_stack::{on_thread_stack, remaining_stack};
#[cfg(feature = "tracing")]
pub(crate) use trace::{Trace, Untraceable};
