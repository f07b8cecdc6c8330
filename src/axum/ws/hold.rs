//! How long reading waits for the function.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::util::timers;

/// After a message no other is read until the message was answered, but not for longer than this: pings want an answer,
/// and a client that goes is to be noticed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Hold {
    since: Option<Instant>,
    /// Known once it was needed.
    has_timers: Option<bool>,
    /// Set for some time that is not later than the end of the patience, and set anew when it is over, so that most
    /// messages cost no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Hold {
    /// Whether reading has waited long enough. If not, the task is woken when it will have. Without timers it waits
    /// until there is an answer.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let end = *self.since.get_or_insert_with(Instant::now) + PATIENCE;
        if !*self.has_timers.get_or_insert_with(timers::has_timers) {
            return false;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            match timer.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(()) if timer.deadline() >= end => return true,
                Poll::Ready(()) => timer.as_mut().reset(end),
            }
        }
    }

    /// Whether reading waits, or has waited for too long.
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// There is nothing to wait for.
    pub(super) fn release(&mut self) {
        self.since = None;
    }
}
