//! Accepts connections, and ends them.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{extract::Request, response::Response, serve::Listener};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
    time::sleep,
};
use tower_service::Service;

use super::{
    service::Requests,
    state::Server,
    stopping::{Phase, Stopping},
};
use crate::{drain::ShutdownReport, shutdown::Shutdown, util::first::first};

/// How many connections the system may have queued when the shutdown begins: the length of tokio's queue.
const QUEUED: usize = 1024;

/// How long a new connection may take to its first request when the shutdown has begun: it may be on its way.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// How long websockets may take to end once they are cut.
const AFTER_CUT: Duration = Duration::from_secs(1);

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) header: Duration,
    pub(super) body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header: Duration::from_secs(30), body: Duration::from_secs(60) }
    }
}

/// A server and its open connections.
struct Running<S> {
    app: S,
    limits: Limits,
    server: Arc<Server>,
    builder: Builder<TokioExecutor>,
    connections: JoinSet<()>,
}

pub(super) async fn run<L, S>(mut listener: L, app: S, limits: Limits, shutdown: Shutdown) -> io::Result<ShutdownReport>
where
    L: Listener<Addr: Clone + Send + Sync + 'static>,
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let mut ending = shutdown.begin();
    let mut running = Running::new(app, limits);
    {
        let mut begun = pin!(ending.begun());
        // The shutdown comes first, so that many new connections do not hold it up.
        while let Err(connection) = first(begun.as_mut(), running.accept(&mut listener)).await {
            running.serve(connection);
        }
    }
    running.serve_queued(&mut listener).await;
    drop(listener);
    running.server.enter(Phase::Stopping);
    let report = match ending.within_grace(running.ended()).await {
        Some(()) => ShutdownReport::default(),
        None => running.cut().await,
    };
    Ok(ending.end(report).await)
}

impl<S> Running<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    fn new(app: S, limits: Limits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header);
        #[cfg(feature = "http2")]
        builder.http2().timer(TokioTimer::new()).enable_connect_protocol();
        Self { app, limits, server: Arc::default(), builder, connections: JoinSet::new() }
    }

    /// Accepts the next connection. Connections that have ended are let go meanwhile.
    async fn accept<L: Listener>(&mut self, listener: &mut L) -> (L::Io, L::Addr) {
        let mut accepted = pin!(listener.accept());
        poll_fn(|cx| {
            while let Poll::Ready(Some(_)) = self.connections.poll_join_next(cx) {}
            accepted.as_mut().poll(cx)
        })
        .await
    }

    /// Serves the connections that the system has queued: it would reset them when the listener is closed.
    async fn serve_queued<L>(&mut self, listener: &mut L)
    where
        L: Listener<Addr: Clone + Send + Sync + 'static>,
    {
        // The runtime looks for new connections.
        yield_now().await;
        for _ in 0..QUEUED {
            let Ok(connection) = first(listener.accept(), async {}).await else { break };
            self.serve(connection);
        }
    }

    fn serve<I, A>(&mut self, (io, client): (I, A))
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
        A: Clone + Send + Sync + 'static,
    {
        let (first_request, stopping) = (Arc::new(Notify::new()), self.server.stopping());
        let requests = Requests {
            app: self.app.clone(),
            client,
            server: Arc::clone(&self.server),
            body_timeout: self.limits.body,
            first: Arc::clone(&first_request),
        };
        let builder = self.builder.clone();
        self.connections.spawn(async move {
            let mut connection =
                pin!(builder.serve_connection_with_upgrades(TokioIo::new(io), TowerToHyperService::new(requests)));
            if first(connection.as_mut(), ends(&stopping, &first_request)).await.is_err() {
                connection.as_mut().graceful_shutdown();
                // An error means that the client has gone or has broken the protocol.
                _ = connection.await;
            }
        });
    }

    /// Waits until all connections and websockets have ended.
    async fn ended(&mut self) {
        while self.connections.join_next().await.is_some() {}
        self.server.without_websockets().await;
    }

    /// Cuts what is open. The calls lose their callers.
    async fn cut(&mut self) -> ShutdownReport {
        while self.connections.try_join_next().is_some() {}
        let report = ShutdownReport {
            is_cut: true,
            connections: self.connections.len() as u64,
            requests: self.server.requests(),
            websockets: self.server.websockets(),
            ..ShutdownReport::default()
        };
        self.server.enter(Phase::Cutting);
        self.connections.abort_all();
        // A connection in the middle of a poll that blocks does not end, and a websocket may still close.
        _ = first(self.ended(), sleep(AFTER_CUT)).await;
        report
    }
}

/// Waits until a connection should end.
async fn ends(stopping: &Stopping, first_request: &Notify) {
    stopping.begun().await;
    _ = first(first_request.notified(), sleep(FIRST_REQUEST)).await;
}
