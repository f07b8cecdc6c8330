//! [`Hold`]: how long reading waits for the function.

use std::{future::Future as _, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// After a message, the pump reads no other one until it is answered, but at most for this long: pings need an answer,
/// and a disconnected client must be noticed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Hold {
    end: Option<Instant>,
    /// It never fires later than `end` and is reset only when it fires, so that most messages do not touch the timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Hold {
    /// Whether reading has waited long enough. If not, the timer wakes the task when it has.
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

    /// Ends the hold: reading no longer waits.
    pub(super) fn release(&mut self) {
        self.end = None;
    }
}
