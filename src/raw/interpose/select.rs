//! `select` and `pselect`.

use std::{os::fd::RawFd, ptr, time::Duration};

use libc::{c_int, fd_set, sigset_t, timespec, timeval};
use syscalls::Sysno;

use super::{
    At, Call, Refused, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, finish},
    ready::Until,
};

pub(super) static SELECT: Call = Call::new("select");
pub(super) static PSELECT: Call = Call::new("pselect");

/// The three sets of a call, and how many descriptors they have.
#[derive(Clone, Copy)]
struct Sets {
    count: c_int,
    sets: [*mut fd_set; 3],
}

/// The events of `poll` that correspond to each set.
const EVENTS: [i16; 3] = [libc::POLLIN, libc::POLLOUT, libc::POLLPRI];

impl Sets {
    /// Makes the call with these sets and a time.
    ///
    /// # Safety
    ///
    /// Sets, time and signals are as `pselect` asks for.
    unsafe fn ask(self, time: *mut timespec, signals: *const sigset_t) -> Returned {
        let [read, write, other] = self.sets.map(<*mut fd_set>::expose_provenance);
        let signals = [signals.expose_provenance(), 8];
        let signals = ptr::from_ref(&signals).expose_provenance();
        let args = [arg(self.count), read, write, other, time.expose_provenance(), signals];
        // SAFETY: invariant 17: the caller promises for the sets, and the rest is on this frame.
        unsafe { kernel::call(Sysno::pselect6, args) }
    }

    /// The words of each set that the kernel reads and writes.
    fn words(self) -> usize {
        usize::try_from(self.count).unwrap_or(0).div_ceil(64)
    }

    /// # Safety
    ///
    /// The sets are as `select` asks for.
    unsafe fn copy(self) -> [Option<Vec<u64>>; 3] {
        self.sets.map(|set| {
            // SAFETY: invariant 17: each set has bits for as many descriptors as the caller says.
            (!set.is_null())
                .then(|| (0..self.words()).map(|word| unsafe { set.cast::<u64>().wrapping_add(word).read() }).collect())
        })
    }

    /// # Safety
    ///
    /// The sets are as `select` asks for, and the copies are of them.
    unsafe fn put(self, copies: &[Option<Vec<u64>>; 3]) {
        for (set, copy) in self.sets.iter().zip(copies) {
            for (index, word) in copy.iter().flatten().enumerate() {
                // SAFETY: invariant 17: the set has the words that the copy was made of.
                unsafe { set.cast::<u64>().wrapping_add(index).write(*word) };
            }
        }
    }
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    other: *mut fd_set,
    time: *mut timeval,
) -> c_int {
    // SAFETY: invariant 17: the caller passes a time or null.
    let given = unsafe { time.as_ref() }.map(|time| timespec {
        // The microseconds may amount to more than a second here.
        tv_sec: time.tv_sec.saturating_add(time.tv_usec / 1_000_000),
        tv_nsec: time.tv_usec % 1_000_000 * 1000,
    });
    // SAFETY: invariant 17: the arguments are the caller's, for a call that `select` is a case of.
    let (returned, left) =
        unsafe { select_for(&SELECT, Sets { count, sets: [read, write, other] }, given, ptr::null(), here()) };
    if let Some(left) = left.filter(|_| !time.is_null()) {
        let left = timeval { tv_sec: left.as_secs() as i64, tv_usec: i64::from(left.subsec_micros()) };
        // SAFETY: invariant 17: Linux writes there what is left of the time.
        unsafe { time.write(left) };
    }
    finish(returned) as c_int
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pselect(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    other: *mut fd_set,
    time: *const timespec,
    signals: *const sigset_t,
) -> c_int {
    // SAFETY: invariant 17: the caller passes a time or null.
    let given = unsafe { time.as_ref() }.copied();
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let (returned, _) =
        unsafe { select_for(&PSELECT, Sets { count, sets: [read, write, other] }, given, signals, here()) };
    finish(returned) as c_int
}

/// What the call returns, and what is left of its time.
///
/// # Safety
///
/// As for `pselect`.
unsafe fn select_for(
    call: &'static Call,
    sets: Sets,
    given: Option<timespec>,
    signals: *const sigset_t,
    at: At,
) -> (Returned, Option<Duration>) {
    let mut time = given;
    let limit = Until::of(given);
    let bridge = match (gate::open(), limit) {
        // A call with a signal mask changes that of the thread, so it is passed on to the kernel.
        (Some(bridge), Some(limit)) if limit != Until::AtOnce && signals.is_null() => bridge,
        _ => {
            let pointer = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
            // SAFETY: invariant 17: sets and signals are the caller's, and the time is on this frame.
            let returned = unsafe { sets.ask(pointer, signals) };
            return (returned, time.and_then(super::sleep::duration));
        }
    };
    let limit = limit.and_then(Until::after);
    // SAFETY: invariant 17: the sets are the caller's, for the same call.
    let asked = unsafe { sets.copy() };
    let mut at_once = || {
        let mut zero = timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: invariant 17: the sets are the caller's, and these are copies of them.
        unsafe { sets.put(&asked) };
        // SAFETY: invariant 17: the sets are the caller's, and the time is on this frame.
        match unsafe { sets.ask(&raw mut zero, ptr::null()) } {
            0 => AGAIN,
            returned => returned,
        }
    };
    let begun = std::time::Instant::now();
    let first = at_once();
    let left = || limit.map(|limit| limit.saturating_sub(begun.elapsed()));
    if first != AGAIN {
        return (first, left());
    }
    let wanted = wanted(&asked);
    let is_standard = wanted.first().is_some_and(|&(fd, _)| gate::open_for(fd).is_none());
    let wait = || {
        if is_standard {
            return Err(Refused::Unable);
        }
        if wanted.is_empty() {
            // Some programs sleep by a call without descriptors.
            let time = limit.unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
            return bridge.sleep_unless_cancelled(time, at).map(|()| 0);
        }
        bridge.any_ready(&wanted, limit, at, &mut at_once)
    };
    let mut time = given;
    let block = || {
        // SAFETY: invariant 17: the sets are the caller's, and these are copies of them.
        unsafe { sets.put(&asked) };
        let pointer = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        // SAFETY: invariant 17: the sets are the caller's, and the time is on this frame.
        unsafe { sets.ask(pointer, ptr::null()) }
    };
    let returned = match wait_or_block(call, wait, block) {
        // After the last look the sets are empty, as the kernel leaves them.
        Err(Refused::Elapsed) => 0,
        waited => waited.unwrap_or_else(error_of),
    };
    (returned, left())
}

/// The descriptors of the sets, each once.
fn wanted(sets: &[Option<Vec<u64>>; 3]) -> Vec<(RawFd, i16)> {
    let words = sets.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let bit = |set: &Option<Vec<u64>>, index: usize| {
        set.as_ref().is_some_and(|words| words[index / 64] & 1 << (index % 64) != 0)
    };
    let events =
        |index| sets.iter().zip(EVENTS).filter(|(set, _)| bit(set, index)).fold(0, |events, (_, event)| events | event);
    (0..words * 64).map(|index| (index as RawFd, events(index))).filter(|&(_, events)| events != 0).collect()
}
