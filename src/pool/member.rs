//! One worker as the pool and the other workers see it.

use std::sync::Arc;

use super::{heartbeat::Heartbeat, queues::Queues, task::Task};

/// One worker. Its alignment keeps what it changes all the time on cache lines of its own.
#[repr(align(128))]
pub(super) struct Member {
    pub(super) queues: Arc<Queues<Arc<dyn Task>>>,
    pub(super) heartbeat: Heartbeat,
}

impl Member {
    pub(super) fn new() -> Self {
        Self { queues: Arc::new(Queues::new()), heartbeat: Heartbeat::new() }
    }

    /// Whether new tasks would wait here behind a task that makes no progress.
    pub(super) fn is_stuck(&self) -> bool {
        self.heartbeat.is_stalled() && !self.queues.is_asleep()
    }
}
