//! [`Core`]: tells the closure on which core it runs.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;

use super::supervise::Phase;

/// The core on which the closure runs.
#[derive(Clone, Debug)]
pub struct Core {
    pub(super) index: usize,
    pub(super) count: usize,
    pub(super) cpu: Option<usize>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) serving: Arc<Serving>,
}

/// Whether a core still serves.
#[derive(Debug)]
pub(super) struct Serving {
    has_ended: AtomicBool,
    /// The number of cores that serve.
    count: watch::Sender<usize>,
}

impl Serving {
    /// Returns one for each core.
    pub(super) fn of_cores(cores: usize) -> impl Iterator<Item = Arc<Self>> {
        let count = watch::Sender::new(cores);
        (0..cores).map(move |_| Arc::new(Self { has_ended: AtomicBool::new(false), count: count.clone() }))
    }

    /// Only the first call counts.
    pub(super) fn end(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            self.count.send_modify(|count| *count -= 1);
        }
    }
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

    /// Notes that this core serves no more, and returns a future that is ready when no core serves: each has called
    /// this, or its closure has ended. Close a layer that the cores share only then, since requests in flight on
    /// another core may still call it. [`Shutdown::on_core`](crate::Shutdown::on_core) does so.
    pub fn all_served(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        self.serving.end();
        let mut count = self.serving.count.subscribe();
        async move {
            // The wait fails only after `run` has returned, and `run` waits for its cores.
            let _ = count.wait_for(|count| *count == 0).await;
        }
    }
}
