//! On which CPUs the threads run.

pub(super) use self::system::Cpus;

#[cfg(any(target_os = "android", target_os = "linux"))]
mod system {
    use std::io;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The CPUs that a thread may use.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Cpus(CpuSet);

    impl Cpus {
        /// Those of this thread.
        pub(in super::super) fn of_this_thread() -> io::Result<Self> {
            Ok(Self(sched_getaffinity(None)?))
        }

        /// Keeps this thread on the `index`th of them, counted in a circle, and gives the system's number of it.
        pub(in super::super) fn pin_to(&self, index: usize) -> io::Result<usize> {
            let cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| self.0.is_set(cpu)).collect::<Vec<_>>();
            let cpu =
                *index.checked_rem(cpus.len()).and_then(|index| cpus.get(index)).ok_or(io::ErrorKind::NotFound)?;
            let mut only = CpuSet::new();
            only.set(cpu);
            sched_setaffinity(None, &only)?;
            Ok(cpu)
        }

        /// Lets this thread use all of them.
        pub(in super::super) fn unpin(&self) -> io::Result<()> {
            Ok(sched_setaffinity(None, &self.0)?)
        }
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
mod system {
    use std::io;

    /// The CPUs that a thread may use: not known here.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Cpus;

    impl Cpus {
        pub(in super::super) fn of_this_thread() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in super::super) fn pin_to(&self, _: usize) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in super::super) fn unpin(&self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
