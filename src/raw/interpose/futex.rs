//! `syscall`, through which std's locks wait.
//!
//! std's `Mutex`, `RwLock`, `Condvar` and `Once` wait by `FUTEX_WAIT_BITSET` for a value to change, and ask again after
//! every return, so a fiber may wait by looking at the value: it misses nothing, since a value that is as before is a
//! lock that is taken (or a condition that nobody has signalled). They keep nothing for the thread.
//!
//! Parkers do: a thread that parks is woken by its name. std's waits for the value [`PARKED`], and parking_lot's by
//! another operation, so both go on to the kernel.

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
    sleep::duration,
};

pub(super) static SYSCALL: Call = Call::new("syscall");
pub(super) static FUTEX: Call = Call::new("futex");
pub(super) static PARK: Call = Call::new("park");

/// The value that std's parker waits with; no lock of std's has it.
const PARKED: u32 = u32::MAX;

/// How long a call really waits before the fiber suspends. tokio's locks, under which nothing may suspend, and those of
/// other threads are held for less.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long a call that cannot suspend waits before it is named.
const NAMED_AFTER: Duration = Duration::from_millis(20);

thread_local! {
    /// The operation and the value with which this thread waits, while it finds that out.
    static PROBE: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Whether std's parker waits as it is known to.
pub(crate) fn parks_as_known() -> bool {
    let probe = || {
        PROBE.set(Some((0, 0)));
        thread::park_timeout(Duration::from_nanos(1));
        PROBE.take()
    };
    // A thread of its own, which nobody wakes.
    let seen = thread::spawn(probe).join().ok().flatten();
    let operation = (libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG) as usize;
    seen.is_some_and(|seen| seen == (operation, PARKED as usize))
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
    let plain = || {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        unsafe { syscalls::raw::syscall6(number as usize, a, b, c, d, e, f) as Returned }
    };
    let returned = if number == libc::SYS_futex {
        if PROBE.get().is_some() {
            PROBE.set(Some((b, c as u32 as usize)));
        }
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        unsafe { futex(args) }
    } else {
        plain()
    };
    finish(returned) as c_long
}

/// # Safety
///
/// As for the system call.
unsafe fn futex(args: [usize; 6]) -> Returned {
    let [address, operation, value, time, _, bits] = args;
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
    if !is_bitset || value == PARKED || bits as u32 != u32::MAX || operation & libc::FUTEX_PRIVATE_FLAG == 0 {
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        return unsafe { park(bridge, args, is_bitset) };
    }
    let time = ptr::with_exposed_provenance::<timespec>(time);
    // SAFETY: invariant 17: the caller passes a time or null.
    let until = unsafe { time.as_ref() }.copied();
    let clock = if operation & libc::FUTEX_CLOCK_REALTIME == 0 { libc::CLOCK_MONOTONIC } else { libc::CLOCK_REALTIME };
    let limit = match until.map(|until| duration(until).zip(super::sleep::now(clock))) {
        None => None,
        Some(Some((until, now))) => Some(until.saturating_sub(now)),
        // The kernel says what is wrong with such a time.
        Some(None) => return plain(),
    };
    // SAFETY: invariant 17: the caller passes the address of an atomic that lives until the call returns.
    let word = unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(address)) };
    if !bridge.is_awaited(address) {
        // SAFETY: invariant 17: the arguments are the caller's, but for a shorter time.
        let waited = unsafe { wait_briefly(args, limit, PATIENCE) };
        if waited != -(libc::ETIMEDOUT as Returned) || limit.is_some_and(|limit| limit <= PATIENCE) {
            return waited;
        }
    }
    let limit = limit.map(|limit| limit.saturating_sub(PATIENCE));
    let mut has_changed = || word.load(Ordering::Relaxed) != value;
    let wait = || bridge.changed(address, limit, here(), &mut has_changed).map(|()| 0);
    match wait_or_block(&FUTEX, bridge, wait, plain) {
        Err(Refused::Elapsed) => -(libc::ETIMEDOUT as Returned),
        // It has no such error; the caller asks again.
        Err(_) => AGAIN,
        Ok(returned) => returned,
    }
}

/// Waits really, and says so if it takes long: what is waited for may be with a fiber of this thread.
///
/// # Safety
///
/// As for the system call.
unsafe fn park(bridge: &'static dyn Bridge, args: [usize; 6], is_bitset: bool) -> Returned {
    PARK.blocked.fetch_add(1, Ordering::Relaxed);
    // Another form of time belongs to the other operation, and it is for short waits.
    if is_bitset && args[3] == 0 {
        // SAFETY: invariant 17: the arguments are the caller's, but for a shorter time.
        let waited = unsafe { wait_briefly(args, None, NAMED_AFTER) };
        if waited != -(libc::ETIMEDOUT as Returned) {
            return waited;
        }
        bridge.blocks(PARK.name);
    }
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    unsafe { kernel::call(Sysno::futex, args) }
}

/// Waits as the caller asks, but no longer than so.
///
/// # Safety
///
/// As for the system call, with `FUTEX_WAIT_BITSET`.
unsafe fn wait_briefly(mut args: [usize; 6], limit: Option<Duration>, most: Duration) -> Returned {
    let Some(now) = super::sleep::now(libc::CLOCK_MONOTONIC) else { return AGAIN };
    let until = now + limit.map_or(most, |limit| limit.min(most));
    let until = super::sleep::time(until);
    args[1] &= !(libc::FUTEX_CLOCK_REALTIME as usize);
    args[3] = ptr::from_ref(&until).expose_provenance();
    // SAFETY: invariant 17: the arguments are the caller's, and the time is on this frame.
    unsafe { kernel::call(Sysno::futex, args) }
}
