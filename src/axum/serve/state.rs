//! [`Server`]: what the connections of one server share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use super::stopping::{Phase, Stopping};

#[derive(Debug, Default)]
pub(super) struct Server {
    phase: watch::Sender<Phase>,
    requests: AtomicU64,
    websockets: watch::Sender<u64>,
}

impl Server {
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    pub(super) fn stopping(&self) -> Stopping {
        Stopping::new(&self.phase)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn websockets(&self) -> u64 {
        *self.websockets.borrow()
    }

    /// Waits until no websocket is open.
    pub(super) async fn without_websockets(&self) {
        let mut open = self.websockets.subscribe();
        // The sender is borrowed meanwhile, so the wait cannot fail.
        _ = open.wait_for(|open| *open == 0).await;
    }
}

/// A request that is counted until it has been answered.
#[derive(Debug)]
pub(super) struct CountedRequest(Arc<Server>);

impl CountedRequest {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        server.requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(server))
    }

    pub(super) fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A websocket's server, which counts it until this is dropped.
#[cfg(feature = "ws")]
#[derive(Debug)]
pub(crate) struct OpenWebSocket {
    server: Arc<Server>,
}

#[cfg(feature = "ws")]
impl OpenWebSocket {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        server.websockets.send_modify(|open| *open += 1);
        Self { server: Arc::clone(server) }
    }

    pub(crate) fn stopping(&self) -> Stopping {
        self.server.stopping()
    }
}

#[cfg(feature = "ws")]
impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.server.websockets.send_modify(|open| *open -= 1);
    }
}
