//! A clock that costs a few nanoseconds, for ages that people read.

use std::time::Duration;

/// A moment, to some milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(imp::Moment);

impl Moment {
    #[inline]
    pub(super) fn now() -> Self {
        Self(imp::now())
    }

    pub(super) fn elapsed(self) -> Duration {
        imp::elapsed(self.0)
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::{mem::MaybeUninit, time::Duration};

    /// Since some moment of the system's.
    pub(super) type Moment = Duration;

    pub(super) fn now() -> Moment {
        let mut now = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: invariant 12: the kernel writes to what is passed. It knows this clock, or leaves zero there.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, now.as_mut_ptr()) };
        // SAFETY: invariant 12: all bytes were zero, which is a time, or the system wrote one.
        let now = unsafe { now.assume_init() };
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
    }

    pub(super) fn elapsed(since: Moment) -> Duration {
        now().saturating_sub(since)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::time::{Duration, Instant};

    pub(super) type Moment = Instant;

    pub(super) fn now() -> Moment {
        Instant::now()
    }

    pub(super) fn elapsed(since: Moment) -> Duration {
        since.elapsed()
    }
}
