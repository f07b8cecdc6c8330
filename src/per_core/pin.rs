//! Pins threads to CPUs.

use std::io;

#[cfg(any(target_os = "android", target_os = "linux"))]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that a thread may use.
#[derive(Clone, Copy)]
pub(super) struct Cpus(#[cfg(any(target_os = "android", target_os = "linux"))] CpuSet);

#[cfg(any(target_os = "android", target_os = "linux"))]
impl Cpus {
    /// Returns the CPUs of this thread.
    pub(super) fn of_this_thread() -> io::Result<Self> {
        Ok(Self(sched_getaffinity(None)?))
    }

    /// Pins this thread to the `index`th CPU, modulo their count, and returns the system's number of that CPU.
    pub(super) fn pin_to(&self, index: usize) -> io::Result<usize> {
        let cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| self.0.is_set(cpu)).collect::<Vec<_>>();
        let cpu = *index.checked_rem(cpus.len()).and_then(|index| cpus.get(index)).ok_or(io::ErrorKind::NotFound)?;
        let mut only = CpuSet::new();
        only.set(cpu);
        sched_setaffinity(None, &only)?;
        Ok(cpu)
    }

    /// Lets this thread use all of these CPUs.
    pub(super) fn unpin(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.0)?)
    }
}

/// Pinning is not supported on other systems.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
impl Cpus {
    pub(super) fn of_this_thread() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn pin_to(&self, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn unpin(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
