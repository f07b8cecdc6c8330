//! [`Core`]: what the closure knows about the core on which it runs.

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
    /// Which of the cores it is, from 0. What only one of them shall do (a second port, a periodic job) is done by core
    /// 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many cores the server runs on.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The system's number of the CPU to which the thread is [pinned](super::PerCoreBuilder::pin); `None` if it is not.
    #[must_use]
    pub fn cpu(&self) -> Option<usize> {
        self.cpu
    }

    /// Is ready when this core shall end: the server's `shutdown` is ready, or another core has failed.
    ///
    /// Each call gives an independent future that owns what it needs.
    pub fn shutdown(&self) -> impl Future<Output = ()> + Send + Sync + Unpin + use<> {
        let mut phase = self.phase.clone();
        Box::pin(async move {
            // It fails when `run` has gone, which does not go before its cores.
            let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
        })
    }
}
