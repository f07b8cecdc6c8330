//! A stack for signal handlers, on threads that have none or one that is too small: after an overflow, the overflowed
//! stack has no room for the handler.
//!
//! std gives one to the threads that it starts, unless the program has its own handlers; that one is enough for a short
//! handler. Threads of C code have none.

use std::{cell::Cell, mem::MaybeUninit, ptr};

/// Enough for the fault handler, the handlers that it passes other faults on to, the one that walks the stack, and the
/// registers of today's processors.
const SIZE: usize = 64 * 1024;

thread_local! {
    static OWN: OwnStack = const { OwnStack(Cell::new(None)) };
}

struct OwnStack(Cell<Option<Box<[MaybeUninit<u8>]>>>);

/// Gives this thread an alternate signal stack if it has none.
pub(super) fn provide() {
    if current().ss_flags & libc::SS_DISABLE != 0 {
        replace();
    }
}

/// Gives this thread a larger signal stack if its own is too small. The former stack's owner may free it, since
/// it is no longer in use.
#[cfg(feature = "backtrace")]
pub(super) fn enlarge() {
    let current = current();
    // Not while a handler runs on it, which nothing in this crate does.
    if current.ss_flags & libc::SS_ONSTACK == 0 && current.ss_size < SIZE {
        replace();
    }
}

fn replace() {
    // An ending thread goes without one.
    _ = OWN.try_with(|own| {
        let mut memory = Box::new_uninit_slice(SIZE);
        set(&libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: SIZE });
        own.0.set(Some(memory));
    });
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let Some(memory) = self.0.take() else { return };
        if current().ss_sp.addr() == memory.as_ptr().addr() {
            set(&libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 });
        }
    }
}

fn current() -> libc::stack_t {
    let mut current = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: invariant 11: without a new stack the call changes nothing, and the kernel only fills the structure.
    let result = unsafe { libc::sigaltstack(ptr::null(), &raw mut current) };
    debug_assert_eq!(result, 0);
    current
}

fn set(stack: &libc::stack_t) {
    // SAFETY: invariant 11: the memory is this thread's own until it is disabled, when the thread ends.
    let result = unsafe { libc::sigaltstack(stack, ptr::null_mut()) };
    debug_assert_eq!(result, 0);
}
