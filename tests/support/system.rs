//! What Linux says about this process.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{env, fs};

/// Forces the guards of older kernels.
pub(crate) const PROTECTED: (&str, &str) = ("TOWER_FIBER_GUARDS", "mprotect");
/// Lets the crate choose.
pub(crate) const CHOSEN: (&str, &str) = ("TOWER_FIBER_GUARDS", "");

/// KiB that a line of `/proc/self/status` says.
pub(crate) fn kib(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

pub(crate) fn resident_kib() -> usize {
    // Without the pages of the program's file, which come when its code first runs.
    kib("RssAnon")
}

/// Resident KiB, and mappings.
pub(crate) fn memory() -> (usize, usize) {
    (kib("VmRSS"), mappings())
}

pub(crate) fn mappings() -> usize {
    fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

/// Whether guards cost no mappings here: Linux 6.13, and not forbidden.
pub(crate) fn has_markers() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 13) && env::var(PROTECTED.0).as_deref() != Ok(PROTECTED.1)
}

/// Whether a thread of this process sleeps in the kernel: it waits for something.
pub(crate) fn is_asleep(thread: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    // The name before it may contain anything.
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}
