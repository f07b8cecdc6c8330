//! Clocks: one that costs a few nanoseconds to read, for ages shown to people, and a precise one.

use std::time::Duration;

/// A moment, precise to a few milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(imp::Moment);

impl Moment {
    #[inline]
    pub(crate) fn now() -> Self {
        Self(imp::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        imp::elapsed(self.0)
    }
}

/// Nanoseconds since a moment that the system chose. A difference of whole numbers takes fewer steps than one of
/// `Instant`s.
#[inline]
pub(crate) fn nanos() -> u64 {
    imp::nanos()
}

#[cfg(target_os = "linux")]
mod imp {
    use std::{mem::MaybeUninit, num::NonZeroU64, time::Duration};

    /// Nanoseconds since a moment that the system chose.
    pub(super) type Moment = NonZeroU64;

    const NANOS: u64 = 1_000_000_000;

    pub(super) fn now() -> Moment {
        NonZeroU64::new(read(libc::CLOCK_MONOTONIC_COARSE)).unwrap_or(NonZeroU64::MIN)
    }

    #[inline]
    pub(super) fn nanos() -> u64 {
        read(libc::CLOCK_MONOTONIC)
    }

    #[inline]
    fn read(clock: libc::clockid_t) -> u64 {
        let mut now = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: invariant 12: the kernel writes only to the structure that is passed. If it does not know this clock,
        // zero stays there.
        unsafe { libc::clock_gettime(clock, now.as_mut_ptr()) };
        // SAFETY: invariant 12: all bytes were zero, which is a time, or the system wrote one.
        let now = unsafe { now.assume_init() };
        now.tv_sec as u64 * NANOS + now.tv_nsec as u64
    }

    pub(super) fn elapsed(since: Moment) -> Duration {
        Duration::from_nanos(now().get().saturating_sub(since.get()))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::{
        sync::LazyLock,
        time::{Duration, Instant},
    };

    pub(super) type Moment = Instant;

    pub(super) fn nanos() -> u64 {
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        FIRST.elapsed().as_nanos() as u64
    }

    pub(super) fn now() -> Moment {
        Instant::now()
    }

    pub(super) fn elapsed(since: Moment) -> Duration {
        since.elapsed()
    }
}
