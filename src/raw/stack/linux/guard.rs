//! The guards below stacks: the kind that this system supports, and how many of them it allows.

use std::{
    env, io,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::sys::{self, Mapping};

/// Bytes below each stack. C code does not probe its stack as Rust does, so it could jump over a single page.
pub(super) const SIZE: usize = 64 * 1024;

/// Environment variable; `mprotect` forces the kind of guard that older kernels need.
const FORCE: &str = "TOWER_FIBER_GUARDS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Marks in the page table, which need no mappings of their own.
    Markers,
    /// Pages without access. Each guard splits its mapping into two more.
    Protected,
}

impl Kind {
    /// Finds the kind that works in `mapping` by making its first guard.
    pub(super) fn probe(mapping: &Mapping) -> Self {
        static IS_FORCED: OnceLock<bool> = OnceLock::new();
        let is_forced = *IS_FORCED.get_or_init(|| env::var_os(FORCE).is_some_and(|kind| kind == "mprotect"));
        // Emulators such as qemu report success for advice that they do not know.
        let works = !is_forced && mapping.mark_guard(0, SIZE).is_ok() && mapping.is_guarded(0, SIZE);
        if works { Self::Markers } else { Self::Protected }
    }

    /// Makes a guard of this kind, or a protected one if the system has begun to refuse marks: a filter of system calls
    /// may forbid them, or memory may have been locked. `reserve` lets it exceed the limit, up to the hard limit.
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

/// Removes a protected guard. `false` if it stays.
pub(super) fn remove(mapping: &Mapping, offset: usize) -> bool {
    let is_removed = mapping.protect(offset, SIZE, false).is_ok();
    if is_removed {
        Budget::of_process().give_back(1);
    }
    is_removed
}

/// Records that `count` protected guards were unmapped with their slab.
pub(super) fn unmapped(count: usize) {
    if count > 0 {
        Budget::of_process().give_back(count);
    }
}

/// How many protected guards are possible.
#[cfg(feature = "tracing")]
pub(super) fn most_protected() -> usize {
    Budget::of_process().limit
}

/// How many protected guards the process may have. Each costs two mappings, and at the system's limit even `malloc`
/// fails.
struct Budget {
    used: AtomicUsize,
    limit: usize,
    /// Includes the reserve for fibers inside fibers, for which other fibers may be waiting.
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
