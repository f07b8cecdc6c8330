//! [`Core`]: tells the closure on which core it runs.

use std::future::Future;

use tokio::sync::watch;

use super::supervise::Phase;

/// The core on which the closure runs.
#[derive(Clone, Debug)]
pub struct Core {
    pub(super) index: usize,
    pub(super) count: usize,
    pub(super) cpu: Option<usize>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Core {
    /// Returns the number of this core, from 0. Let core 0 do the work that only one core may do, such as a second port
    /// or a periodic job.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the number of cores that the server runs on.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of the CPU to which the thread is [pinned](super::PerCoreBuilder::pin), if it is pinned.
    #[must_use]
    pub fn cpu(&self) -> Option<usize> {
        self.cpu
    }

    /// Returns a future that is ready when this core should end, because the server's `shutdown` is ready or another
    /// core has failed.
    pub fn shutdown(&self) -> impl Future<Output = ()> + Send + Sync + Unpin + use<> {
        let mut phase = self.phase.clone();
        Box::pin(async move {
            // The wait fails only after `run` has returned, and `run` waits for its cores.
            let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
        })
    }
}
