//! Stacks: where they come from and lie, and what happens when none is available or one overflows.

#[cfg(all(target_os = "linux", target_pointer_width = "64", not(tower_fiber_portable_stacks)))]
mod linux;
#[cfg(target_os = "linux")]
mod overflow;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(tower_fiber_portable_stacks))))]
mod portable;
#[cfg(target_os = "linux")]
mod signal_stack;

mod pointer;
pub(crate) mod shortage;

#[cfg(all(target_os = "linux", target_pointer_width = "64", not(tower_fiber_portable_stacks)))]
pub(crate) use self::linux::{FiberStack, GUARD_SIZE, Source};
pub(super) use self::pointer::stack_pointer;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(tower_fiber_portable_stacks))))]
pub(crate) use self::portable::{FiberStack, GUARD_SIZE, Source};

/// Called once on each thread, before its first fiber, so that overflows are reported.
#[cold]
pub(super) fn prepare_thread() {
    #[cfg(target_os = "linux")]
    {
        overflow::install();
        signal_stack::provide();
    }
}

/// Called once on each thread, before it may be asked for a trace.
#[cold]
pub(super) fn prepare_for_traces() {
    #[cfg(all(feature = "backtrace", target_os = "linux"))]
    signal_stack::enlarge();
}
