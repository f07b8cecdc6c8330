//! The id by which a thread is asked for its trace.

/// This thread's id for signals.
#[cfg(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(in crate::raw) fn this_thread() -> i32 {
    // SAFETY: invariant 12: the call takes nothing, returns a number, and touches no memory of the program.
    unsafe { libc::gettid() }
}

/// Any nonzero number, since no thread is asked.
#[cfg(not(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(in crate::raw) fn this_thread() -> i32 {
    -1
}
