//! `syscall`, through which std's locks wait.
//!
//! std's `Mutex`, `RwLock`, `Condvar` and `Once` wait by `FUTEX_WAIT_BITSET` for a value to change, and ask again after
//! every return, so a fiber may wait by polling the value: it misses nothing, since an unchanged value means a lock
//! that is still taken (or a condition that has not been signalled). The locks keep no state of the waiting thread.
//!
//! Parkers differ: the wake of a parked thread addresses that thread. std's waits for the value [`PARKED`] at the
//! thread's own address, and parking_lot's by another operation, so both go on to the kernel. A `RwLock` that is locked
//! for writing has the same value while readers and writers wait.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use libc::{c_int, c_long, timespec};
use syscalls::Sysno;

use super::{
    Bridge, Call, Refused, Returned,
    gate::{self, here, wait_or_block},
    kernel::{self, AGAIN, finish},
    libc_next::Next,
    sleep::duration,
};

type Syscall = unsafe extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long;

/// For system calls that are newer than `syscalls`.
static NEXT_SYSCALL: Next = Next::new(c"syscall");

pub(super) static SYSCALL: Call = Call::new("syscall");
pub(super) static FUTEX: Call = Call::new("futex");
pub(super) static PARK: Call = Call::new("park");

/// The value that std's parker waits with.
const PARKED: u32 = u32::MAX;

/// How long a call really waits before the fiber suspends. tokio's locks, under which nothing may suspend, and those of
/// other threads are held for less.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long a call that cannot suspend waits before it is named.
const NAMED_AFTER: Duration = Duration::from_millis(20);

thread_local! {
    /// The operation and the value with which this thread waits, while it finds that out.
    static PROBE: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    /// Where this thread parks; zero until that is known.
    static PARKER: Cell<usize> = const { Cell::new(0) };
    /// Set while this thread unparks itself, to find that out.
    static UNPARKS: Cell<bool> = const { Cell::new(false) };
}

/// Whether std's parker waits as it is known to. All versions since 1.85 do, so no test sees another answer.
pub(crate) fn parks_as_known() -> bool {
    let probe = || {
        PROBE.set(Some((0, 0)));
        thread::park_timeout(Duration::from_nanos(1));
        PROBE.take().filter(|_| PARKER.get() != 0)
    };
    // A new thread, which no other thread unparks.
    let seen = thread::spawn(probe).join().ok().flatten();
    let operation = (libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG) as usize;
    seen.is_some_and(|seen| seen == (operation, PARKED as usize))
}

/// Whether std parks this thread at this address. If that is not known, the thread unparks itself, which makes a call
/// if it is parking right now. A park may end without a reason, so code that parks looks and parks again.
fn is_parker(address: usize) -> bool {
    if PARKER.get() == 0 {
        UNPARKS.set(true);
        thread::current().unpark();
        UNPARKS.set(false);
    }
    PARKER.get() == address
}

/// As libc's, whose other arguments come in the same registers on both architectures.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    let args = [a, b, c, d, e, f];
    let returned = match Sysno::new(number as usize) {
        // The thread that it unparks is the caller.
        Some(Sysno::futex) if UNPARKS.get() => {
            PARKER.set(a);
            0
        }
        Some(Sysno::futex) => {
            if PROBE.get().is_some() {
                PROBE.set(Some((b, c as u32 as usize)));
                is_parker(a);
            }
            // SAFETY: invariant 17: the arguments are the caller's, for the same call.
            unsafe { futex(args) }
        }
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        Some(number) => unsafe { kernel::call(number, args) },
        None => {
            // SAFETY: invariant 17: this is the type of libc's function, with as many arguments as it takes.
            let next = unsafe { NEXT_SYSCALL.get::<Syscall>() };
            // SAFETY: invariant 17: the arguments are the caller's, for the same call.
            return unsafe { next(number, a, b, c, d, e, f) };
        }
    };
    finish(returned) as c_long
}

/// # Safety
///
/// As for the system call.
unsafe fn futex(args: [usize; 6]) -> Returned {
    let [address, operation, value, _, _, bits] = args;
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain = || unsafe { kernel::call(Sysno::futex, args) };
    let (operation, value) = (operation as c_int, value as u32);
    let flags = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    let bridge = match operation & !flags {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAKE => gate::open(),
        _ => None,
    };
    let Some(bridge) = bridge else { return plain() };
    let is_bitset = operation & !flags == libc::FUTEX_WAIT_BITSET;
    if operation & !flags == libc::FUTEX_WAKE {
        let woken = plain();
        bridge.change(address, value > 1);
        return woken;
    }
    let is_of_lock = is_bitset && bits as u32 == u32::MAX && operation & libc::FUTEX_PRIVATE_FLAG != 0;
    if !is_of_lock || value == PARKED && is_parker(address) {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        return unsafe { park(bridge, args, is_bitset) };
    }
    // SAFETY: invariant 17: the caller passes a time or null.
    let mut limit = match unsafe { limit_of(args, is_bitset) } {
        // The kernel reports the error of such a time.
        Some(None) => return plain(),
        limit => limit.flatten(),
    };
    // SAFETY: invariant 17: the caller passes the address of an atomic that lives until the call returns.
    let word = unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(address)) };
    if !bridge.is_awaited(address) {
        // SAFETY: invariant 17: the arguments are the caller's, but for a shorter time.
        let waited = unsafe { wait_briefly(args, limit, PATIENCE) };
        if waited != -(libc::ETIMEDOUT as Returned) || limit.is_some_and(|limit| limit <= PATIENCE) {
            return waited;
        }
        // SAFETY: invariant 17: the caller passes a time or null.
        limit = unsafe { limit_of(args, is_bitset) }.flatten();
    }
    let mut has_changed = || word.load(Ordering::Relaxed) != value;
    let wait = || bridge.changed(address, limit, here(), &mut has_changed).map(|()| 0);
    match wait_or_block(&FUTEX, wait, plain) {
        Err(Refused::Elapsed) => -(libc::ETIMEDOUT as Returned),
        // The call has no such error, and its callers try again.
        Err(_) => AGAIN,
        Ok(returned) => returned,
    }
}

/// Blocks the thread, and warns if that takes long: a fiber of this thread may have to end the wait.
///
/// # Safety
///
/// As for the system call, with one of the operations that wait.
unsafe fn park(bridge: &'static dyn Bridge, mut args: [usize; 6], is_bitset: bool) -> Returned {
    PARK.blocked.fetch_add(1, Ordering::Relaxed);
    // SAFETY: invariant 17: the caller passes a time or null.
    let limit = unsafe { limit_of(args, is_bitset) };
    let is_named = match limit {
        None => true,
        Some(Some(limit)) => limit > NAMED_AFTER,
        // The kernel reports the error of such a time.
        Some(None) => false,
    };
    let rest;
    if is_named {
        let begun = super::sleep::now(libc::CLOCK_MONOTONIC);
        // SAFETY: invariant 17: the arguments are the caller's, but for a shorter time.
        let waited = unsafe { wait_briefly(args, None, NAMED_AFTER) };
        if waited != -(libc::ETIMEDOUT as Returned) {
            return waited;
        }
        bridge.blocks(PARK.name);
        // The other operation takes a duration.
        if let (false, Some(Some(limit))) = (is_bitset, limit) {
            let gone =
                super::sleep::now(libc::CLOCK_MONOTONIC).zip(begun).map(|(now, begun)| now.saturating_sub(begun));
            rest = super::sleep::time(limit.saturating_sub(gone.unwrap_or(NAMED_AFTER)));
            args[3] = ptr::from_ref(&rest).expose_provenance();
        }
    }
    // SAFETY: invariant 17: the arguments are the caller's, or the rest of the time, which is on this frame.
    unsafe { kernel::call(Sysno::futex, args) }
}

/// The caller's time limit: `None` if it has none, and `Some(None)` if the kernel would refuse it.
///
/// # Safety
///
/// The fourth argument is the address of a time or null.
unsafe fn limit_of(args: [usize; 6], is_bitset: bool) -> Option<Option<Duration>> {
    let time = ptr::with_exposed_provenance::<timespec>(args[3]);
    // SAFETY: invariant 17: the caller passes a time or null.
    let time = duration(*unsafe { time.as_ref() }?);
    if !is_bitset {
        return Some(time);
    }
    // The time is the end of the wait, on one of two clocks.
    let is_realtime = args[1] as c_int & libc::FUTEX_CLOCK_REALTIME != 0;
    let now = super::sleep::now(if is_realtime { libc::CLOCK_REALTIME } else { libc::CLOCK_MONOTONIC });
    Some(time.zip(now).map(|(until, now)| until.saturating_sub(now)))
}

/// Waits as the caller asks, but at most for this time.
///
/// # Safety
///
/// As for the system call, with one of the operations that wait.
unsafe fn wait_briefly(mut args: [usize; 6], limit: Option<Duration>, most: Duration) -> Returned {
    let Some(now) = super::sleep::now(libc::CLOCK_MONOTONIC) else { return AGAIN };
    let until = now + limit.map_or(most, |limit| limit.min(most));
    let until = super::sleep::time(until);
    let operation = args[1] as c_int;
    if operation & libc::FUTEX_CMD_MASK == libc::FUTEX_WAIT {
        // With a mask of all bits this operation equals the other, except for how the time is given.
        args[5] = u32::MAX as usize;
    }
    args[1] = (operation & libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_WAIT_BITSET) as usize;
    args[3] = ptr::from_ref(&until).expose_provenance();
    // SAFETY: invariant 17: the arguments are the caller's, and the time is on this frame.
    unsafe { kernel::call(Sysno::futex, args) }
}
