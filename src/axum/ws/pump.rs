//! The pump: moves messages between a connection and the queues of its [`SyncWebSocket`](super::SyncWebSocket).

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_core::Stream as _;
use futures_sink::Sink as _;
use tokio::{
    sync::mpsc,
    time::{Sleep, sleep},
};

use super::{
    WebSocketEnd,
    hold::Hold,
    shared::{Close, Room, WebSocketState},
};

/// How long a websocket may take from its close, by either side, to the end of its connection.
const CLOSING: Duration = Duration::from_secs(10);

pub(super) struct Pump {
    /// Until it has ended.
    connection: Option<Connection>,
    shared: Arc<WebSocketState>,
}

struct Connection {
    socket: WebSocket,
    outgoing: mpsc::Receiver<Message>,
    reads: bool,
    hold: Hold,
    writes: bool,
    needs_flush: bool,
    /// What is sent after all that is queued.
    close: Option<Close>,
    is_close_sent: bool,
    /// Nothing may be sent any more but the answer, which tungstenite sends as it reads on.
    is_peer_closed: bool,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    pub(super) fn new(socket: WebSocket, outgoing: mpsc::Receiver<Message>, shared: Arc<WebSocketState>) -> Self {
        let connection = Connection {
            socket,
            outgoing,
            reads: true,
            hold: Hold::default(),
            writes: true,
            needs_flush: false,
            close: None,
            is_close_sent: false,
            is_peer_closed: false,
            deadline: None,
        };
        Self { connection: Some(connection), shared }
    }

    /// Reads what may be read.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection {
            connection.receive(&self.shared, cx);
        }
    }

    /// Whether reading has waited for what is done by now.
    pub(super) fn may_read_on(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| {
            connection.reads && connection.hold.is_on() && !connection.is_held(self.shared.room())
        })
    }

    /// Sends what it can; ready when the connection has ended.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(()) };
        if let Some(close) = self.shared.poll_close(cx) {
            connection.close(close);
        }
        if let Poll::Ready(Err(_)) = connection.poll_write(cx) {
            // What can still be read says how it ends.
            connection.writes = false;
            connection.send_no_more(&self.shared);
        }
        if !connection.is_done() && !connection.is_late(cx) {
            return Poll::Pending;
        }
        self.shared.set_end(connection.end_without_answer());
        // However long the function goes on.
        self.connection = None;
        Poll::Ready(())
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // The runtime ends, while the function may go on.
        self.shared.set_end(WebSocketEnd::Vanished(None));
    }
}

impl Connection {
    fn receive(&mut self, shared: &WebSocketState, cx: &mut Context<'_>) {
        while self.reads {
            let room = shared.poll_room(cx);
            if !self.is_held(room) {
                self.hold.release();
            } else if room == Room::Full || !self.hold.is_over(cx) {
                return;
            }
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(message))) => self.received(message, shared),
                Poll::Ready(Some(Err(error))) => self.lose(WebSocketEnd::of_error(error), shared),
                Poll::Ready(None) => self.lose(self.end_without_answer(), shared),
            }
        }
    }

    /// Whether reading waits, for room or for an answer that is still to go out. When a close or the end of the stream
    /// has been read, tungstenite sends nothing more.
    fn is_held(&self, room: Room) -> bool {
        if self.is_peer_closed {
            return false;
        }
        let may_answer = self.writes && !self.is_close_sent && self.close.is_none();
        let is_unanswered = room == Room::Unanswered || self.needs_flush || !self.outgoing.is_empty();
        room == Room::Full || (may_answer && is_unanswered)
    }

    fn received(&mut self, message: Message, shared: &WebSocketState) {
        match message {
            Message::Text(_) | Message::Binary(_) => shared.push(message),
            // tungstenite answers.
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(frame) => {
                self.is_peer_closed = true;
                self.send_no_more(shared);
                let is_answer = self.is_close_sent;
                shared.set_end(if is_answer {
                    WebSocketEnd::ClosedHere(frame)
                } else {
                    WebSocketEnd::ClosedByPeer(frame)
                });
            }
        }
    }

    /// Nothing more can be read.
    fn lose(&mut self, end: WebSocketEnd, shared: &WebSocketState) {
        self.reads = false;
        self.send_no_more(shared);
        match end.close_code() {
            Some(code) if !self.is_close_sent => {
                self.close = Some(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
            }
            _ => self.writes = false,
        }
        shared.set_end(end);
    }

    fn send_no_more(&mut self, shared: &WebSocketState) {
        shared.stop();
        self.outgoing.close();
        while self.outgoing.try_recv().is_ok() {}
        self.close = None;
        self.start_deadline();
    }

    /// Once all that is queued was sent.
    fn close(&mut self, close: Close) {
        if self.reads && self.writes && !self.is_peer_closed {
            self.outgoing.close();
            self.close = Some(close);
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
        // What the client does not take piles up in the queue, not in the buffer.
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
