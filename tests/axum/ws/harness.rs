//! Runtimes, servers and clients.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, extract::WebSocketUpgrade, routing::any};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::CloseFrame},
};
use tower_fiber::{
    FiberLayer,
    axum::{SyncWebSocket, WebSocketUpgradeExt as _},
};

pub(crate) use crate::harness::on_each_runtime;

/// Runs a test on a current-thread runtime whose clock goes on by itself when nothing else can.
pub(crate) fn with_paused_time<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
        timeout(Duration::from_secs(3600), test()).await.expect("the test hangs");
    });
}

/// A paused clock does not wait for sockets: it goes on to the next timer, which is never far.
pub(crate) fn with_ticking_time<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    with_paused_time(|| async {
        let ticks = tokio::spawn(async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        test().await;
        ticks.abort();
    });
}

/// A server of one function.
pub(crate) struct Server {
    address: SocketAddr,
    pub(crate) layer: FiberLayer,
}

impl Server {
    pub(crate) async fn of(f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static) -> Self {
        Self::with(FiberLayer::new(), |ws| ws, f).await
    }

    pub(crate) async fn with(
        layer: FiberLayer,
        set: impl Fn(WebSocketUpgrade) -> WebSocketUpgrade + Clone + Send + Sync + 'static,
        f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static,
    ) -> Self {
        let inside = layer.clone();
        let upgrade = async move |ws: WebSocketUpgrade| set(ws).on_upgrade_fiber_with(&inside, f);
        let app: Router = Router::new().route("/", any(upgrade));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, layer }
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        // Small messages in both directions would wait for each other's acknowledgement.
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) async fn client(&self) -> Client {
        Client(client_async("ws://localhost/", self.tcp().await).await.unwrap().0)
    }

    /// Waits until all functions have returned; nothing is left of them.
    pub(crate) async fn drained(&self) {
        self.layer.handle().drained().await;
        let counters = self.layer.handle().counters();
        assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0));
    }
}

pub(crate) struct Client(pub(crate) WebSocketStream<TcpStream>);

impl Client {
    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Message {
        self.0.next().await.expect("the websocket has ended").unwrap()
    }

    pub(crate) async fn text(&mut self) -> String {
        self.next().await.into_text().unwrap().to_string()
    }

    /// The texts that come before the close, and its code and reason.
    pub(crate) async fn rest(&mut self) -> (Vec<String>, Option<(u16, String)>) {
        let mut texts = Vec::new();
        loop {
            match self.next().await {
                Message::Close(frame) => {
                    // The answer to it goes out as this reads on.
                    assert!(self.0.next().await.is_none_or(|rest| rest.is_err()));
                    return (texts, frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
                }
                message => texts.push(message.into_text().unwrap().to_string()),
            }
        }
    }

    /// Code and reason of the close, which must be what comes next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let (texts, close) = self.rest().await;
        assert_eq!(texts, [""; 0]);
        close.expect("a code")
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &'static str) {
        self.0.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).await.unwrap();
    }
}

pub(crate) fn close(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}
