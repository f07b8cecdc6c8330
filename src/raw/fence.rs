//! A fence with a cheap and an expensive side.
//!
//! Two threads that each write first and then read what the other writes need a full fence between the two, each of
//! them. Calls do this all the time, and code that cancels, closes or waits for them hardly ever. On Linux the latter
//! can fence for both: the system call `membarrier` makes every running thread of the process pass a full fence, so
//! that for the former the order of the instructions is enough.

use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

const UNKNOWN: u8 = 0;
const SYMMETRIC: u8 = 1;
const ASYMMETRIC: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The cheap side, between a write and a read.
#[inline]
pub(crate) fn light() {
    if MODE.load(Ordering::Relaxed) == ASYMMETRIC {
        compiler_fence(Ordering::SeqCst);
    } else {
        light_or_first();
    }
}

#[cold]
fn light_or_first() {
    mode();
    // The first time, nobody knows yet on which side others are.
    fence(Ordering::SeqCst);
}

/// The expensive side, between a write and a read.
#[cold]
pub(crate) fn heavy() {
    if mode() == ASYMMETRIC {
        system::barrier();
    }
    fence(Ordering::SeqCst);
}

fn mode() -> u8 {
    match MODE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let mode = if system::register() { ASYMMETRIC } else { SYMMETRIC };
            MODE.store(mode, Ordering::Relaxed);
            mode
        }
        mode => mode,
    }
}

#[cfg(target_os = "linux")]
mod system {
    const MEMBARRIER_CMD_PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
    const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;

    /// Whether the system has the barrier, for this process.
    pub(super) fn register() -> bool {
        call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() {
        // A child process has to register again; it may have one thread only.
        assert!(
            call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) || (register() && call(MEMBARRIER_CMD_PRIVATE_EXPEDITED)),
            "membarrier failed"
        );
    }

    fn call(command: libc::c_long) -> bool {
        // SAFETY: invariant 12: the arguments are plain numbers, and the call touches no memory of the program's.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() {}
}
