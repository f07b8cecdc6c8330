//! What the fiber, the senders and the pump of one websocket share.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use axum::extract::ws::{CloseFrame, Message};

use super::WebSocketEnd;

/// How many messages may wait for `recv`. Then no more are read, and the client has to wait.
const INBOUND: usize = 16;

/// A close frame, or one without a code.
pub(super) type Close = Option<CloseFrame>;

/// What the pump may do about the next message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Read it.
    Free,
    /// Read it, but it may be a close, after which what the function has received can be answered no more.
    Unanswered,
    /// Wait.
    Full,
}

/// Locked for moments, never over a wait; no waker is woken or dropped under the lock.
#[derive(Default)]
pub(super) struct WebSocketState(Mutex<State>);

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    receiver: Option<Waker>,
    is_receiver_gone: bool,
    /// From a message on until the function waits for the next one.
    is_unanswered: bool,
    pump: Option<Waker>,
    is_closing: bool,
    /// Until the pump takes it.
    close: Option<Close>,
    end: Option<Arc<WebSocketEnd>>,
    /// Whether the function has asked for the end.
    is_end_seen: bool,
    /// Whether a wait of it was cancelled.
    is_cancelled: bool,
}

impl State {
    fn room(&self) -> Room {
        match self {
            Self { is_receiver_gone: true, .. } => Room::Free,
            Self { messages, .. } if messages.len() >= INBOUND => Room::Full,
            Self { is_unanswered: true, .. } => Room::Unanswered,
            _ => Room::Free,
        }
    }
}

/// For the fiber and the senders.
impl WebSocketState {
    pub(super) fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<Message>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let was_full = state.messages.len() >= INBOUND;
        let Some(message) = state.messages.pop_front() else {
            if state.end.is_some() {
                return Poll::Ready(None);
            }
            let former = state.receiver.replace(waker);
            let pump = if mem::take(&mut state.is_unanswered) { state.pump.take() } else { None };
            drop(state);
            drop(former);
            wake(pump);
            return Poll::Pending;
        };
        let pump = if was_full { state.pump.take() } else { None };
        drop(state);
        wake(pump);
        Poll::Ready(Some(message))
    }

    /// What still comes is read and dropped from now on.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.is_receiver_gone = true;
        let messages = mem::take(&mut state.messages);
        let pump = state.pump.take();
        drop(state);
        drop(messages);
        wake(pump);
    }

    /// Only the first one counts.
    pub(super) fn close(&self, close: Close) {
        let mut state = self.lock();
        if state.is_closing {
            return;
        }
        state.is_closing = true;
        state.close = Some(close);
        let pump = state.pump.take();
        drop(state);
        wake(pump);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    pub(super) fn end(&self) -> Option<Arc<WebSocketEnd>> {
        self.lock().end.clone()
    }

    pub(super) fn see_end(&self) {
        self.lock().is_end_seen = true;
    }

    pub(super) fn cancel(&self) {
        self.lock().is_cancelled = true;
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    pub(super) fn is_end_seen(&self) -> bool {
        self.lock().is_end_seen
    }
}

/// For the pump.
impl WebSocketState {
    /// Whether a message may be read; the pump is woken when another answer is possible.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Room {
        // Wakers are foreign code: they are cloned and dropped with nothing locked.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let former = state.pump.replace(waker);
        let room = state.room();
        drop(state);
        drop(former);
        room
    }

    pub(super) fn room(&self) -> Room {
        self.lock().room()
    }

    pub(super) fn push(&self, message: Message) {
        let mut state = self.lock();
        if state.is_receiver_gone {
            return;
        }
        state.messages.push_back(message);
        state.is_unanswered = true;
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
    }

    /// What is to be sent last, once; the pump is woken when there is something.
    pub(super) fn poll_close(&self, cx: &Context<'_>) -> Option<Close> {
        // Wakers are foreign code: they are cloned and dropped with nothing locked.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let former = state.pump.replace(waker);
        let close = state.close.take();
        drop(state);
        drop(former);
        close
    }

    /// Nothing can be sent any more.
    pub(super) fn stop(&self) {
        self.lock().is_closing = true;
    }

    /// Nothing more will come. Only the first end counts.
    pub(super) fn set_end(&self, end: WebSocketEnd) {
        let mut state = self.lock();
        state.is_closing = true;
        if state.end.is_some() {
            return;
        }
        state.end = Some(Arc::new(end));
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
