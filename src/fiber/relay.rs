//! Relays wakes for tokio's synchronization primitives. They clone and drop wakers while their own locks are held, or
//! between two of their steps; so they get one of the crate's wakers, which passes each wake on to the task's.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use crate::{
    raw::{clone_waker, let_go, wake},
    util::lock::lock,
};

/// A future that is polled with a waker of its own. The poller's waker is cloned before that poll and dropped after it.
pub(crate) struct Relayed<F> {
    future: F,
    /// Connected at the first poll.
    line: Line,
}

impl<F> Relayed<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, line: Line(None) }
    }
}

impl<F: Future + Unpin> Future for Relayed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, line } = &mut *self;
        let waker = line.connect(cx.waker());
        let poll = Pin::new(future).poll(&mut Context::from_waker(&waker));
        if poll.is_ready() {
            line.cut();
        }
        poll
    }
}

/// The link to the task that polled last.
struct Line(Option<Arc<Relay>>);

impl Line {
    fn connect(&mut self, waker: &Waker) -> Waker {
        let relay = self.0.get_or_insert_default();
        // A wake that finds no waker precedes the coming poll, so it may be lost.
        let waker = match relay.replace(None) {
            Some(former) if former.will_wake(waker) => former,
            former => {
                let_go(former);
                clone_waker(waker)
            }
        };
        relay.replace(Some(waker));
        Waker::from(Arc::clone(relay))
    }

    fn cut(&mut self) {
        // A holder of the relay's waker may keep it for longer.
        if let Some(relay) = self.0.take() {
            let_go(relay.replace(None));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
    }
}

#[derive(Default)]
struct Relay(Mutex<Option<Waker>>);

impl Relay {
    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *lock(&self.0), waker)
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.replace(None).into_iter().for_each(wake);
    }
}
