//! The pump: moves messages between a connection and the queues of its [`SyncWebSocket`](super::SyncWebSocket).

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use futures_core::Stream as _;
use futures_sink::Sink as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Sleep, sleep},
};

use super::{
    WebSocketEnd,
    heartbeat::{Beat, Due, Heartbeat},
    hold::Hold,
    socket::INBOUND,
    state::{Close, Missed, Received, WebSocketState},
};

/// How long a websocket may take from its close, by either side, to the end of its connection.
const CLOSING: Duration = Duration::from_secs(10);

pub(super) struct Pump {
    socket: WebSocket,
    shared: Arc<WebSocketState>,
    /// `Some` until the end is known or the function has returned; later messages are dropped.
    incoming: Option<mpsc::Sender<Received>>,
    /// One entry per unanswered message. The function drops the other half when it asks for the next message.
    unanswered: VecDeque<oneshot::Receiver<()>>,
    hold: Hold,
    reads: bool,
    heartbeat: Option<Heartbeat>,
    /// The server stops.
    is_stopping: bool,
    /// A ping is to go out, before all queued messages.
    is_ping_due: bool,
    outgoing: mpsc::Receiver<Message>,
    writes: bool,
    needs_flush: bool,
    /// The close frame to send after all queued messages.
    close: Option<Close>,
    is_close_sent: bool,
    /// Once set, only the answer to the close may be sent, which tungstenite does as it reads on.
    is_peer_closed: bool,
    /// Set when the websocket begins to close, by either side.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    pub(super) fn new(
        socket: WebSocket,
        incoming: mpsc::Sender<Received>,
        outgoing: mpsc::Receiver<Message>,
        shared: Arc<WebSocketState>,
        beat: Option<Beat>,
    ) -> Self {
        Self {
            socket,
            shared,
            incoming: Some(incoming),
            unanswered: VecDeque::new(),
            hold: Hold::default(),
            reads: true,
            heartbeat: beat.map(Heartbeat::new),
            is_stopping: false,
            is_ping_due: false,
            outgoing,
            writes: true,
            needs_flush: false,
            close: None,
            is_close_sent: false,
            is_peer_closed: false,
            deadline: None,
        }
    }

    /// Reads all that may be read now. Returns whether it has read anything, or something is due since nothing came.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_read = false;
        while self.reads {
            if !self.may_read(cx) {
                self.restart_heartbeat();
                break;
            }
            match Pin::new(&mut self.socket).poll_next(cx) {
                // What has come is answered, or has been waited for.
                Poll::Pending if self.is_stopping => {
                    self.is_stopping = false;
                    self.shared.close_for_server();
                    return true;
                }
                Poll::Pending => return self.poll_heartbeat(cx) || has_read,
                Poll::Ready(Some(Ok(message))) => self.received(message),
                Poll::Ready(Some(Err(error))) => self.lose(WebSocketEnd::of_error(error)),
                Poll::Ready(None) => self.lose(self.end_without_answer()),
            }
            self.restart_heartbeat();
            has_read = true;
        }
        has_read
    }

    fn restart_heartbeat(&mut self) {
        self.heartbeat.iter_mut().for_each(Heartbeat::restart);
    }

    /// Returns whether a silent client is to get a ping now, or has ended the websocket by its silence. A websocket
    /// that closes has a deadline instead.
    fn poll_heartbeat(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(heartbeat), None) = (&mut self.heartbeat, &self.deadline) else { return false };
        match heartbeat.poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Due::Ping) => self.is_ping_due = true,
            Poll::Ready(Due::End(error)) => self.lose(WebSocketEnd::Vanished(Some(error))),
        }
        true
    }

    /// Closes the websocket as soon as the messages that have arrived are answered, as before a close by the client.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Notes that the function has returned: messages that still arrive are read and dropped.
    pub(super) fn leave(&mut self) {
        self.incoming = None;
        self.unanswered.clear();
    }

    /// Sends what can be sent now. Ready when the connection has ended, or is to be cut.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Option<Missed>> {
        self.take_close(cx);
        if let Poll::Ready(Err(_)) = self.poll_write(cx) {
            // The pump reads on, to learn how the connection ends.
            self.writes = false;
            self.send_no_more();
        }
        if self.is_done() {
            Poll::Ready(None)
        } else if self.is_late(cx) {
            let is_all_sent = self.is_close_sent && !self.needs_flush && !self.is_peer_closed;
            Poll::Ready(Some(if is_all_sent { Missed::Answer } else { Missed::Messages }))
        } else {
            Poll::Pending
        }
    }

    /// Whether the pump may read now. It must wait for room, and for answers that are still to go out: once a close or
    /// the end of the stream has been read, tungstenite sends nothing more.
    fn may_read(&mut self, cx: &mut Context<'_>) -> bool {
        while self.unanswered.front_mut().is_some_and(|message| Pin::new(message).poll(cx).is_ready()) {
            self.unanswered.pop_front();
        }
        let is_answered = self.unanswered.is_empty() && !self.needs_flush && self.outgoing.is_empty();
        if self.is_peer_closed {
            true
        } else if self.unanswered.len() >= INBOUND {
            false
        } else if is_answered || self.deadline.is_some() {
            self.hold.release();
            true
        } else {
            self.hold.is_over(cx)
        }
    }

    fn received(&mut self, message: Message) {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                let Some(incoming) = &self.incoming else { return };
                let (unanswered, answered) = oneshot::channel();
                // The queue has room, or the function has dropped its socket.
                _ = incoming.try_send((message, unanswered));
                self.unanswered.push_back(answered);
            }
            // tungstenite answers pings itself.
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(frame) => {
                self.is_peer_closed = true;
                self.send_no_more();
                self.end(if self.is_close_sent {
                    WebSocketEnd::ClosedHere(frame)
                } else {
                    WebSocketEnd::ClosedByPeer(frame)
                });
            }
        }
    }

    /// Called when nothing more can be read.
    fn lose(&mut self, end: WebSocketEnd) {
        self.reads = false;
        self.send_no_more();
        match end.close_code() {
            Some(code) if !self.is_close_sent => {
                self.close = Some(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
            }
            _ => self.writes = false,
        }
        self.end(end);
    }

    /// Sets the end; no message follows. The end is known before the function finds its queue closed.
    fn end(&mut self, end: WebSocketEnd) {
        self.shared.set_end(end);
        self.incoming = None;
    }

    fn send_no_more(&mut self) {
        self.outgoing.close();
        while self.outgoing.try_recv().is_ok() {}
        self.close = None;
        self.start_deadline();
    }

    /// Takes the function's close, which is sent after all queued messages.
    fn take_close(&mut self, cx: &mut Context<'_>) {
        if let (Some(close), None) = (self.shared.poll_close(cx), &self.deadline) {
            self.close = Some(close.clone());
            self.outgoing.close();
            self.start_deadline();
        }
    }

    fn start_deadline(&mut self) {
        self.deadline.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if !self.writes {
            return Poll::Ready(Ok(()));
        }
        // Flush first, so that messages for a slow client pile up in the queue, not in the buffer.
        ready!(self.poll_flush(cx))?;
        while !self.is_peer_closed {
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            let Some(message) = self.next(cx) else { break };
            self.needs_flush = true;
            Pin::new(&mut self.socket).start_send(message)?;
        }
        self.poll_flush(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.needs_flush {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Option<Message> {
        if std::mem::take(&mut self.is_ping_due) && !self.is_close_sent {
            return Some(Message::Ping(Bytes::new()));
        }
        match self.outgoing.poll_recv(cx) {
            Poll::Ready(Some(message)) => Some(message),
            Poll::Ready(None) => {
                let close = self.close.take()?;
                self.is_close_sent = true;
                Some(Message::Close(close))
            }
            Poll::Pending => None,
        }
    }

    fn is_done(&self) -> bool {
        !self.reads && (!self.writes || (self.close.is_none() && !self.needs_flush))
    }

    fn end_without_answer(&self) -> WebSocketEnd {
        if self.is_close_sent || self.close.is_some() {
            WebSocketEnd::ClosedHere(None)
        } else {
            WebSocketEnd::Vanished(None)
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // The answer came too late, or the runtime ends while the function may go on.
        self.end(self.end_without_answer());
    }
}
