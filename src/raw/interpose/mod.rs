//! Functions with the names of blocking libc functions. The linker finds them first, and they suspend the fiber instead
//! of blocking the thread.
//!
//! Each passes its call on to the kernel, or to libc where that does more than a system call, unless it runs in a fiber
//! of a layer that asked for interposition, at a point where the fiber may suspend ([`gate`]). There it first tries
//! without blocking, and waits only if it must. Another room supplies what it waits with, the [`Bridge`].
//!
//! Linux only. Static programs have one set of symbols and nothing to go on to, so they are refused below.

mod children;
mod connect;
mod descriptors;
mod fortified;
mod futex;
mod gate;
mod kernel;
mod libc_next;
mod locks;
mod messages;
mod names;
mod pump;
mod ready;
mod select;
mod sleep;
mod streams;
mod symbols;
mod transfer;

use std::{
    os::fd::RawFd,
    sync::{OnceLock, atomic::AtomicU64},
    time::Duration,
};

pub(crate) use self::{
    futex::parks_as_known,
    kernel::{duplicate, epoll_of, identity, watched},
    symbols::{calls, not_interposed},
};
use super::At;

#[cfg(target_env = "musl")]
compile_error!(
    "tower-fiber's feature `interpose` needs a dynamically linked libc (glibc), whose functions it can go on to: build \
     for a `-gnu` target, or without the feature"
);

/// How many calls of one name have suspended a fiber, and how many blocked its thread because it could not suspend.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) suspended: AtomicU64,
    pub(crate) blocked: AtomicU64,
}

impl Call {
    const fn new(name: &'static str) -> Self {
        Self { name, suspended: AtomicU64::new(0), blocked: AtomicU64::new(0) }
    }
}

/// The direction of the data that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// Why a wait has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The fiber is cancelled, or its runtime ends.
    Cancelled,
    /// There is nothing to wait with: no runtime, no timers, a descriptor that cannot be watched.
    Unable,
    /// The limit has passed.
    Elapsed,
    /// The descriptor was closed meanwhile.
    Closed,
}

/// What a system call returned: a result, or an error's number below zero.
pub(crate) type Returned = isize;

/// How a fiber waits in libc calls. Every method suspends the fiber, or returns at once.
pub(crate) trait Bridge: Sync {
    /// Calls `attempt` with the same file by another number, whenever it may be ready, until it returns something other
    /// than `-EAGAIN`. It is told whether the other side may have ended.
    fn ready(
        &self,
        fd: RawFd,
        direction: Direction,
        limit: Option<Duration>,
        at: At,
        attempt: &mut dyn FnMut(RawFd, bool) -> Returned,
    ) -> Result<Returned, Refused>;

    /// As `ready`, for any number of descriptors with the events of `poll`.
    fn any_ready(
        &self,
        fds: &[(RawFd, i16)],
        limit: Option<Duration>,
        at: At,
        attempt: &mut dyn FnMut() -> Returned,
    ) -> Result<Returned, Refused>;

    /// Sleeps, also in a cancelled fiber.
    fn sleep(&self, time: Duration, at: At) -> Result<(), Refused>;

    /// Sleeps, unless the fiber is cancelled.
    fn sleep_unless_cancelled(&self, time: Duration, at: At) -> Result<(), Refused>;

    /// Waits, also in a cancelled fiber, until `is_due` or the limit has passed. It looks now and then, and soon after
    /// a call of `change` with this address on this thread.
    fn changed(
        &self,
        address: usize,
        limit: Option<Duration>,
        at: At,
        is_due: &mut dyn FnMut() -> bool,
    ) -> Result<(), Refused>;

    /// Whether a fiber of this thread has waited for a change at this address.
    fn is_awaited(&self, address: usize) -> bool;

    /// Tells the fibers of this thread that wait for a change at this address to look: one of them, or `all`.
    fn change(&self, address: usize, all: bool);

    /// Runs `f` on a thread that may block.
    fn on_blocking_thread(&self, f: Box<dyn FnOnce() + Send>, at: At) -> Result<(), Refused>;

    /// Forgets descriptors that are about to be closed.
    fn closing(&self, first: RawFd, last: RawFd);

    /// Reports that a call of this name has blocked its thread for some time and still does.
    fn blocks(&self, call: &'static str);
}

static BRIDGE: OnceLock<&'static dyn Bridge> = OnceLock::new();

/// Lets fibers of layers with interposition wait through this bridge from now on.
pub(crate) fn install(bridge: &'static dyn Bridge) {
    BRIDGE.get_or_init(|| bridge);
}
