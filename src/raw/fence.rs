//! A fence with a cheap and an expensive side.
//!
//! If two threads each write first and then read what the other one writes, each needs a full fence between the two
//! steps. Calls do this all the time; code that cancels, closes or waits for them does it rarely. On Linux the rare
//! side can fence for both: the system call `membarrier` makes every running thread of the process pass a full fence,
//! so the frequent side only has to keep its instructions in order.

use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

const UNKNOWN: u8 = 0;
const SYMMETRIC: u8 = 1;
const ASYMMETRIC: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The cheap side, called between a write and a read.
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
    // At first use this thread does not know yet which mode the other threads use.
    fence(Ordering::SeqCst);
}

/// The expensive side, called between a write and a read.
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

    /// Whether the system offers the barrier to this process.
    pub(super) fn register() -> bool {
        call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() {
        // A forked child has to register again; it may have one thread only.
        assert!(
            call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) || (register() && call(MEMBARRIER_CMD_PRIVATE_EXPEDITED)),
            "membarrier failed"
        );
    }

    fn call(command: libc::c_long) -> bool {
        // SAFETY: invariant 12: the arguments are plain numbers, and the call touches no memory of the program.
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
