//! The guards below stacks: which kind this system has, and how many it can bear.

use std::{
    env, io,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::sys::{self, Mapping};

/// Below each stack. C code does not probe its stack as Rust does, so that one page could be jumped over.
pub(super) const SIZE: usize = 64 * 1024;

/// Set to `mprotect` it forces the kind of guard that older kernels need.
const FORCE: &str = "TOWER_FIBER_GUARDS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Marks in the page table, which cost no mappings.
    Markers,
    /// Pages without access: each splits its mapping in two more.
    Protected,
}

impl Kind {
    /// What can be made in `mapping`, found out by making the first guard.
    pub(super) fn probe(mapping: &Mapping) -> Self {
        static IS_FORCED: OnceLock<bool> = OnceLock::new();
        let is_forced = *IS_FORCED.get_or_init(|| env::var_os(FORCE).is_some_and(|kind| kind == "mprotect"));
        if !is_forced && mapping.mark_guard(0, SIZE).is_ok() { Self::Markers } else { Self::Protected }
    }

    /// Makes a guard, of this kind or of the other where marks are refused from some time on: by a filter of system
    /// calls, or since memory was locked. `reserve` lets it go over the limit, up to a second one.
    pub(super) fn install(self, mapping: &Mapping, offset: usize, reserve: bool) -> io::Result<Self> {
        if self == Self::Markers && mapping.mark_guard(offset, SIZE).is_ok() {
            return Ok(Self::Markers);
        }
        let budget = Budget::of_process();
        budget.take(reserve)?;
        mapping.protect(offset, SIZE, true).inspect_err(|_| budget.give_back(1))?;
        Ok(Self::Protected)
    }
}

/// Takes a protected guard away. `false` if it stays.
pub(super) fn remove(mapping: &Mapping, offset: usize) -> bool {
    let is_removed = mapping.protect(offset, SIZE, false).is_ok();
    if is_removed {
        Budget::of_process().give_back(1);
    }
    is_removed
}

/// So many protected guards have gone with their mapping.
pub(super) fn unmapped(count: usize) {
    if count > 0 {
        Budget::of_process().give_back(count);
    }
}

/// How many protected guards there can be.
#[cfg(feature = "tracing")]
pub(super) fn most_protected() -> usize {
    Budget::of_process().limit
}

/// How many protected guards the process may have: each costs two mappings, and at the system's limit even `malloc`
/// fails.
struct Budget {
    used: AtomicUsize,
    limit: usize,
    /// With the reserve for fibers inside fibers, which others may be waiting for.
    hard_limit: usize,
}

impl Budget {
    fn of_process() -> &'static Self {
        static BUDGET: OnceLock<Budget> = OnceLock::new();
        BUDGET.get_or_init(|| {
            let mappings = sys::max_mappings();
            Self { used: AtomicUsize::new(0), limit: mappings / 5, hard_limit: mappings / 4 }
        })
    }

    fn take(&self, reserve: bool) -> io::Result<()> {
        let limit = if reserve { self.hard_limit } else { self.limit };
        let one_more = |used| (used < limit).then_some(used + 1);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!("{limit} stacks are in use, as many as the sysctl vm.max_map_count lets there be: raise it"),
            )),
        }
    }

    fn give_back(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}
