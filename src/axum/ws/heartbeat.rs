//! [`Heartbeat`]: finds a client that is lost without a word.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use crate::{axum::silence::silence, util::never::NEVER};

/// When a silent client gets a ping, and how long it may stay silent after that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    interval: Duration,
    timeout: Duration,
}

impl Beat {
    #[track_caller]
    pub(super) fn new(interval: Duration, timeout: Duration) -> Self {
        assert!(
            !interval.is_zero() && !timeout.is_zero(),
            "a heartbeat was given an interval or a time-out of zero: give more, or leave the heartbeat out [TF43]"
        );
        Self { interval: interval.min(NEVER), timeout: timeout.min(NEVER) }
    }
}

/// What is due.
#[derive(Debug)]
pub(super) enum Due {
    Ping,
    /// The client is lost; the error says so.
    End(axum::Error),
}

/// The clock of a websocket whose client is watched. It counts only while the pump reads: otherwise the client's signs
/// of life are not seen.
pub(super) struct Heartbeat {
    beat: Beat,
    /// When the next thing is due. `None` while the clock is stopped.
    at: Option<Instant>,
    is_pinged: bool,
    /// Never fires later than what is due, and is reset only when it must be, so that most messages do not touch it.
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    pub(super) fn new(beat: Beat) -> Self {
        Self { beat, at: None, is_pinged: false, timer: Box::pin(sleep(beat.interval)) }
    }

    /// The client has sent something, or the pump does not read: the interval begins anew at the next poll.
    pub(super) fn restart(&mut self) {
        self.at = None;
        self.is_pinged = false;
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let at = *self.at.get_or_insert_with(|| Instant::now() + self.beat.interval);
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= at {
                break;
            }
            self.timer.as_mut().reset(at);
        }
        if self.is_pinged {
            let text = format!("it has sent nothing within {:?} of a ping", self.beat.timeout);
            return Poll::Ready(Due::End(axum::Error::new(silence(text))));
        }
        self.is_pinged = true;
        self.at = Some(Instant::now() + self.beat.timeout);
        Poll::Ready(Due::Ping)
    }
}
