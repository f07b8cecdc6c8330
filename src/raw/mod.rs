//! The unsafe core: fibers over corosensei, and what must hold for them.
//!
//! This is the only module of the crate in which `unsafe` is allowed. It knows nothing of tower, runtimes, layers or
//! drop policies (of tokio it uses only what threads wait with). Its interface is safe to call: a [`Coroutine`] is
//! started and resumed, running code finds its [`State`] by [`with_current`], and asks its [`Owner`]. Files without
//! `unsafe` are here only if `unsafe` code rests on them or cannot be understood without them:
//!
//! | file | why it is here |
//! |---|---|
//! | `owner` | running code and signal handlers call its methods through a frame (invariants 5 and 11) |
//! | `coroutine` | it holds the pointers that `entry` and `state` follow |
//! | `exchange`, `state/signals` | what a poll and its fiber tell each other through a frame, and what the fiber does then (invariant 5) |
//! | `home` | the comparison of threads that `AtHome` relies on (invariant 1) |
//! | `foreign` | it keeps foreign code from suspending a fiber between two steps (invariant 5) |
//! | `lookout`, `run_slot` | they order what a thread publishes with the two kinds of `fence` |
//! | `trace/mod`, `trace/no_trace` | the interface of `trace/here`, and what stands for it where it cannot be built |
//! | `stack/mod`, `stack/linux/{cache,idle,slab,place,guard}` | they keep each stack in one place (invariant 8) |
//! | `stack/shortage/{mod,wait}` | they hand returned stacks to the calls that wait for one (invariant 8) |
//! | `interpose/{mod,gate,transfer}` | they decide which interposed call may suspend (invariant 17) |
//!
//! # Words
//!
//! * The [`Coroutine`] is a job and the stack that it runs on, if it has one. It can be moved freely, also to other
//!   threads: nothing points into it between two polls.
//! * The [`Owner`] owns the coroutine; code on the stack may ask it for its name, the addresses of the stack, what it
//!   holds, and to pass on that the caller has gone. [`Fiber`](crate::fiber::Fiber) lends its header for it.
//! * The [`State`] is a local variable of [`entry`](entry::entry), the first function on the coroutine's stack.
//! * A [`Frame`](state::Frame) is a local variable of one [`Coroutine::start`] or [`Coroutine::resume`], on the
//!   poller's stack: what the poll has [`Lent`], the coroutine's slot, and the ending. Each resume passes a pointer to
//!   a new one. What is lent tells the fiber its *signals* (cancelled, unwinding, caller gone, report), and the
//!   [`Caller`] that it may ask. The fiber answers in the frame too, by its *reply*: where and how it suspended.
//! * A value that is [`AtHome`] belongs to the fiber's home thread: its coroutine's stack, a parked root, its
//!   fiber-locals. On other threads it can only be moved and forgotten.
//! * A *plain* call needs only a stack, and has no fiber around it. It takes the same path as every other call, with
//!   the parts that it does not need compiled out.
//! * [*Foreign*](foreign) code is code from outside the crate that runs between two of the crate's steps: wakers,
//!   listeners, channels, clones. It runs with nothing locked and waits refused, and its panics are caught.
//! * The *run slot* of a thread says which fiber is running there, if its layer detects blocking. A *stretch* is what a
//!   fiber does between a resume and the next suspend.
//! * A *slab* is a mapping that many stacks lie in.
//! * The *slot* is the coroutine's field through which the job passes in, and a parked root in and out. The *ending* is
//!   where the poller wants the outcome; the fiber puts it there itself.
//!
//! # States
//!
//! | state | slot | stack | who may touch what |
//! |---|---|---|---|
//! | fresh | `Start(job)` | none | the owner, on any thread that may have the job |
//! | running | `Taken` | on this thread's CPU | the fiber: `State`, latest `Frame`, slot, owner and ending through it; coroutine and owner are borrowed by the poll |
//! | suspended | `Taken` | on its stack | the owner, at home only: resume |
//! | parked | `Parked(root)` | none | the owner, at home only: poll again, or drop the root |
//! | finished | `Taken` | none | no code |
//!
//! `fresh → running → (suspended → running)* → parked | finished`, and `parked → running` again.
//!
//! # Invariants
//!
//! Each `SAFETY` comment cites these by number.
//!
//! 1. **Home.** Once a fiber has a home, its coroutine is resumed, and its parked root and fiber-locals are touched, on
//!    that thread only: each way to them is through [`AtHome`], which compares the threads and never drops
//!    what is in it.
//! 2. **`'static`.** Job, root and output are `'static`, and so is everything that a fiber's frames own; a fiber that
//!    is never resumed again is merely a leak.
//! 3. **Current.** The thread's current-fiber slot is empty or points to the `State` of the fiber whose stack is
//!    executing on this thread. The fiber writes it when it begins and after each suspend, before it runs any other
//!    code; the poller's [`Restore`](state::Restore) guard puts the former value back when control returns, also by
//!    unwinding.
//! 4. **State.** A `State` lives from the first to the last statement of its `entry`, and so does the yielder that
//!    `entry` was given. While the coroutine is not done its stack is neither unmapped nor reused.
//! 5. **Frame.** A `Frame`, and all that it points to, outlives the resume that it is passed to. A `State` always holds
//!    the pointer of the latest resume, and only running code of the fiber follows it; it lives until control returns
//!    to the poller. From the resume until then the poll that made it, which has borrowed them, touches neither the
//!    coroutine's slot, nor the owner, nor the ending. A fiber that is polled inside another may take over pointers
//!    from the outer fiber's frame, which encloses its own, and one to the outer fiber's `State`. What is borrowed
//!    through a frame is never lent to code that may wait: that code gets a clone, or waits are refused meanwhile.
//! 6. **Types.** A `Frame` passed to the stack of a `Coroutine<J>` points to that one, which begins with a
//!    `WaitsAt`, and to an `Ending<J>` which is `Pending`; the stack was begun with `entry::<J>`. In debug builds the
//!    frame says which `J` it is of.
//! 7. **No implicit unwinding.** A coroutine that has been resumed and is not done is never dropped: it is resumed to
//!    its end or forgotten. `Drop for Coroutine` would unwind it with corosensei's own payload. A coroutine that
//!    has not been resumed has nothing to unwind.
//! 8. **Stacks.** A stack's slot in its slab, guard included, is at each moment in one place: owned by one
//!    `FiberStack`, or idle in a thread's cache, or free in its slab. Only code that has the slot touches its memory. A
//!    slab is unmapped when all its slots are free; its guards are made and taken away in free slots. A `FiberStack`
//!    leaves a coroutine only when that is done; by then `entry` has returned, and with it every destructor of the
//!    fiber has run.
//! 9. **Root.** `entry` never unwinds: all but its first three statements, which run no foreign code, is inside its
//!    `catch_unwind`, and a panic is handed out through the ending.
//! 10. **Send.** A fresh fiber holds its job, a suspended or parked one what is `AtHome` (invariant 1), and an outcome
//!     goes to the poller within the poll that produced it. So a `Coroutine<J>` is `Send` if its job is, by its fields
//!     and without a promise.
//! 11. **Signals.** The handler of faults reads the current fiber's `State`, its latest `Frame` and what that points
//!     to: they belong to the code that was interrupted on the same thread (invariants 3 to 5). It calls only what may
//!     be called in a handler, and calls the previous handler as the system would have. A thread's signal stack is not
//!     freed before it has been taken out of use.
//! 12. **Plain calls.** The call touches no memory of the program, or only what is passed to it for that, and keeps no
//!     pointer.
//! 13. **Thread stack.** What runs on a thread's stack by `on_thread_stack` is called and returns while its fiber, and
//!     each fiber around that, is running; each is marked, so that no wait suspends it and none can be resumed
//!     meanwhile.
//! 14. **Biased locks.** The value in a `Biased` is used by its owner, one thread, while the owner says so and no other
//!     thread wants it, and by other threads under the lock when the owner is not inside; the fence between saying and
//!     looking orders the two. It is never entered twice, since no foreign code runs inside.
//! 15. **Thread-locals.** The executable has one block of thread-locals on each thread, of one layout, mapped and
//!     readable for as long as the thread runs. The system says where the block of a thread lies, how long it is, and
//!     where the image lies from which it is made, which stays for the life of the program; the addresses of the block
//!     and of one of the crate's thread-locals in it give the distance, which is the same on each thread. Only bytes
//!     of that block, on its own thread, and of that image are read: one by one, volatile, by plain addresses. They are
//!     compared and never taken for a value; one that another thread changes meanwhile may be either.
//! 16. **Traces.** The handler of SIGURG is installed only where there was none. It runs on the thread that is asked,
//!     as a rule on a signal stack with room for it, and walks the stack only in the stretch that it was asked about,
//!     when the fiber is the current one (invariant 3) and its first functions have been entered and not been left. It
//!     calls only what may be called in a handler; the unwinder has walked a stack before, so that nothing is left to
//!     be loaded or bound, needs no lock on Linux, and only reads. The handler writes only atomics, and leaves `errno`
//!     as it was.
//! 17. **Interposed calls.** A function that replaces one of libc has its type and name; its caller keeps libc's
//!     contract until it returns. It passes its arguments on for the same call, or for a part of the same memory, or
//!     for a call that returns at once, to the kernel or to the libc function, and keeps none after it has returned.
//!     While the fiber is suspended in it, the caller's frames stay as they are (invariant 4). What runs on another
//!     thread gets copies, and a descriptor is used after a suspend by a number that the crate has duplicated. It never
//!     unwinds, and writes `errno` last.
//! 18. **On one thread.** An `OnOneThread` notes the number of the thread that has guards of it, which no other thread
//!     ever gets, and counts them. A guard never leaves its thread, so only that thread changes the count. When it is
//!     zero the value is free, in the order of that store and the next thread's exchange. Without a guard, the value is
//!     reached only through ownership or `&mut` of the whole.

#![expect(unsafe_code, reason = "stack switching cannot be written in safe Rust; the chapter above bounds it")]

mod at_home;
mod biased;
mod clock;
mod coroutine;
mod entry;
mod exchange;
pub(crate) mod fence;
mod foreign;
mod home;
#[cfg(all(feature = "interpose", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod interpose;
mod lookout;
mod on_one_thread;
mod owner;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod run_slot;
mod stack;
mod state;
#[cfg(all(feature = "lint", target_os = "linux"))]
mod thread_locals;
mod thread_stack;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod trace;

pub(crate) use at_home::AtHome;
pub(crate) use biased::Biased;
pub(crate) use clock::{Moment, nanos};
pub(crate) use coroutine::{Coroutine, Lent, Ran};

pub(crate) use entry::{Ending, Exit, Job, Slot};
pub(crate) use exchange::{Asks, At, Caller, Reply, Signals};
pub(crate) use foreign::{clone_waker, clone_waker_or_none, foreign, let_go, wake};
pub(crate) use home::{Home, SHARDS, known_shard, shard};
#[cfg(feature = "metrics")]
pub(crate) use lookout::Lookout;
pub(crate) use on_one_thread::{Inside, OnOneThread};
pub(crate) use owner::Owner;
pub(crate) use run_slot::{LOOKOUT, RunSlot, Running};
pub(crate) use stack::{FiberStack, Source, shortage};
pub(crate) use state::{Outer, State, with_current, with_outer};
#[cfg(all(feature = "lint", target_os = "linux"))]
pub(crate) use thread_locals::{Block, PROBE_PATH};
pub(crate) use thread_stack::{on_thread_stack, remaining_stack};
#[cfg(feature = "tracing")]
pub(crate) use trace::{Trace, Untraceable, trace_thread};
