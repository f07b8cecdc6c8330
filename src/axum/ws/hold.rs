//! How long reading waits for the function.

use std::{future::Future as _, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// After a message, no other is read until it was answered, but at most for this long: pings want an answer, and a
/// client that goes must be noticed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Hold {
    end: Option<Instant>,
    /// Never set to later than `end`, and reset only when it fires, so that most messages cost no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Hold {
    /// Whether reading has waited long enough. If not, the task is woken when it has.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let end = *self.end.get_or_insert_with(|| Instant::now() + PATIENCE);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= end {
                return true;
            }
            timer.as_mut().reset(end);
        }
        false
    }

    /// Reading no longer waits.
    pub(super) fn release(&mut self) {
        self.end = None;
    }
}
