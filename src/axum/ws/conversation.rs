//! A fiber and its pump, in one task.

use std::{
    any::{Any, type_name},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    http::HeaderValue,
};
use tokio::sync::mpsc;

use super::{
    SyncWebSocket, WebSocketEnd, WebSocketSender,
    heartbeat::Beat,
    pump::Pump,
    state::{Missed, Received, WebSocketState},
};
use crate::{axum::serve::OpenWebSocket, error::Cancelled, layer::FiberLayer, run::InFiber};

/// A websocket that is not yet connected. Its constructor captures the spans and task-locals that follow a call into
/// its fiber.
pub(super) struct Prepared {
    fiber: InFiber<()>,
    incoming: mpsc::Sender<Received>,
    outgoing: mpsc::Receiver<Message>,
    shared: Arc<WebSocketState>,
    beat: Option<Beat>,
}

impl Prepared {
    pub(super) fn new<G>(layer: Option<&FiberLayer>, protocol: Option<HeaderValue>, beat: Option<Beat>, f: G) -> Self
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        let shared = Arc::new(WebSocketState::default());
        let (sender, outgoing) = WebSocketSender::new(&shared);
        let (socket, incoming) = SyncWebSocket::new(sender, protocol);
        let serve = move || f(socket);
        let fiber = match layer {
            Some(layer) => InFiber::new(serve, layer.settings(), type_name::<G>()),
            None => InFiber::beyond(serve, type_name::<G>()),
        };
        Self { fiber, incoming, outgoing, shared, beat }
    }

    /// Returns what a server finds in the response.
    pub(super) fn upgrading(&self) -> Upgrading {
        Upgrading(Arc::clone(&self.shared))
    }

    pub(super) fn connect(self, socket: WebSocket) -> Conversation {
        let Self { fiber, incoming, outgoing, shared, beat } = self;
        let pump = Pump::new(socket, incoming, outgoing, Arc::clone(&shared), beat);
        let server = shared.take_server().map(ServerEnd::new);
        let service = fiber.name().to_owned();
        Conversation { service, fiber: Some(fiber), payload: None, pump: Some(pump), server, shared }
    }
}

/// A websocket that is not yet connected, for its server.
#[derive(Clone)]
pub(in crate::axum) struct Upgrading(Arc<WebSocketState>);

impl Upgrading {
    pub(in crate::axum) fn belongs_to(&self, server: OpenWebSocket) {
        self.0.set_server(server);
    }
}

/// A future that is ready when the function has returned and the connection is closed.
pub(super) struct Conversation {
    /// The fiber's name, which is needed after it has ended.
    service: String,
    fiber: Option<InFiber<()>>,
    /// The payload of the function's panic.
    payload: Option<Box<dyn Any + Send>>,
    /// `Some` until the connection has ended, however long the function goes on.
    pump: Option<Pump>,
    /// Set if the server ends its websockets by itself.
    server: Option<ServerEnd>,
    shared: Arc<WebSocketState>,
}

impl Conversation {
    /// Lets the pump close the websocket when the server stops. Ready when it is to be cut.
    fn poll_server(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(server) = &mut self.server else { return Poll::Pending };
        if !server.is_told {
            ready!(server.next.as_mut().poll(cx));
            server.cut_next();
            if let Some(pump) = &mut self.pump {
                pump.stop();
            }
        }
        server.next.as_mut().poll(cx)
    }

    fn poll_fiber(&mut self, cx: &mut Context<'_>) {
        let Some(fiber) = &mut self.fiber else { return };
        let poll = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *fiber).poll(cx)));
        let end = self.shared.end();
        let code = match &poll {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) if matches!(end, Some(WebSocketEnd::Cancelled)) => close_code::AWAY,
            Ok(Poll::Ready(())) => close_code::NORMAL,
            Err(payload) if payload.is::<Cancelled>() => close_code::AWAY,
            Err(_) => close_code::ERROR,
        };
        if let Some(end) = end {
            report(&self.service, end, self.shared.is_end_seen());
        }
        self.payload = poll.err();
        self.fiber = None;
        if let Some(pump) = &mut self.pump {
            pump.leave();
        }
        self.shared.close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    }
}

/// The end of the server, as a websocket notices it.
struct ServerEnd {
    open: OpenWebSocket,
    /// Ready when the server stops, then when it cuts what is left.
    next: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_told: bool,
}

impl ServerEnd {
    fn new(open: OpenWebSocket) -> Self {
        let stopping = open.stopping();
        Self { open, next: Box::pin(async move { stopping.begun().await }), is_told: false }
    }

    fn cut_next(&mut self) {
        let stopping = self.open.stopping();
        self.next = Box::pin(async move { stopping.cut().await });
        self.is_told = true;
    }
}

impl Future for Conversation {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_server(cx).is_ready() {
            // The function loses its caller.
            self.fiber = None;
            self.pump = None;
            return Poll::Ready(());
        }
        loop {
            self.poll_fiber(cx);
            let Some(pump) = &mut self.pump else { break };
            if let Poll::Ready(missed) = pump.poll_send(cx) {
                if let Some(missed) = missed {
                    report_cut(&self.service, missed);
                }
                self.pump = None;
            } else if !pump.receive(cx) {
                return Poll::Pending;
            }
        }
        if self.fiber.is_some() {
            return Poll::Pending;
        }
        match self.payload.take() {
            Some(payload) => resume_unwind(payload),
            None => Poll::Ready(()),
        }
    }
}

/// Reports an end that the function may not have noticed.
fn report(service: &str, end: &WebSocketEnd, is_seen: bool) {
    #[cfg(feature = "tracing")]
    match end {
        WebSocketEnd::Failed(error) if !is_seen => tracing::warn!(service, %error, "{end}"),
        WebSocketEnd::Failed(error) => tracing::debug!(service, %error, "{end}"),
        WebSocketEnd::Vanished(_) => tracing::debug!(service, "{end}"),
        _ => {}
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (service, end, is_seen);
}

/// Reports that the connection is cut.
fn report_cut(service: &str, missed: Missed) {
    #[cfg(feature = "tracing")]
    match missed {
        Missed::Answer => tracing::warn!(service, "cut a websocket: its client has not answered the close in time"),
        Missed::Messages => {
            tracing::warn!(service, "cut a websocket that closes: its client has not read in time what was sent last");
        }
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (service, missed);
}
