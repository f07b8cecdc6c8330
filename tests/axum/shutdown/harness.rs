//! Servers that a test shuts down, and what they report.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tower_fiber::{
    ShutdownReport,
    axum::{Serve, serve},
};

/// So long that a test which waits for it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(3600);
/// So short that it is over soon.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<ShutdownReport>,
}

impl Server {
    /// With an hour for all that is to end.
    pub(crate) async fn of(app: Router) -> Self {
        Self::with(app, |server| server.grace(LONG)).await
    }

    pub(crate) async fn with(
        app: Router,
        set: impl FnOnce(Serve<TcpListener, Router>) -> Serve<TcpListener, Router>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = set(serve(listener, app)).with_graceful_shutdown(async { stopped.await.unwrap_or_default() });
        Self { address, stop: Some(stop), task: tokio::spawn(async { server.await.unwrap() }) }
    }

    /// Begins the shutdown.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(mut self) -> ShutdownReport {
        self.stop();
        self.task.await.unwrap()
    }
}

/// What a report says of the connections, requests and websockets that were cut.
pub(crate) fn cut(report: &ShutdownReport) -> (u64, u64, u64) {
    assert!(report.is_cut, "{report:?}");
    (report.connections, report.requests, report.websockets)
}

pub(crate) fn assert_nothing_cut(report: ShutdownReport) {
    assert_eq!(report, ShutdownReport::default());
}
