//! [`Supervisor`]: runs on the calling thread, where it waits for the shutdown and for the cores.

use std::{
    any::Any,
    future::{Future, poll_fn},
    iter::repeat_with,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::PerCoreError;

/// The phase of the server, which the supervisor announces to the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Wait until all cores are ready.
    Starting,
    /// Run the closure.
    Running,
    /// Run the closure, but tell it to end.
    Stopping,
    /// Do not run the closure: a core could not start.
    Abandoned,
}

/// What a core reports to the supervisor.
pub(super) enum Event<T> {
    Ready,
    /// The closure has ended or the core could not start. `None` if the core was told not to run the closure.
    Done(usize, Result<Option<T>, PerCoreError>),
}

/// The result of the server, once all cores have ended.
pub(super) struct Served<T> {
    /// Indexed by core.
    pub(super) values: Vec<Option<T>>,
    pub(super) failures: Vec<PerCoreError>,
    /// The payload if the shutdown future panicked.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

pub(super) struct Supervisor<T> {
    phase: watch::Sender<Phase>,
    /// How many cores are not ready yet.
    starting: usize,
    /// Whether the shutdown future is ready.
    asked: bool,
    outcome: Served<T>,
}

impl<T> Supervisor<T> {
    pub(super) fn new(cores: usize) -> Self {
        let values = repeat_with(|| None).take(cores).collect();
        Self {
            phase: watch::Sender::new(Phase::Starting),
            starting: cores,
            asked: false,
            outcome: Served { values, failures: Vec::new(), panic: None },
        }
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Waits until all threads have ended, which drops the senders of `events`.
    pub(super) async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
        mut events: UnboundedReceiver<Event<T>>,
        mut on_running: impl FnMut(),
    ) -> Served<T> {
        let mut shutdown = pin!(shutdown);
        poll_fn(|cx| {
            if !self.asked {
                self.poll_shutdown(shutdown.as_mut(), cx);
            }
            while let Some(event) = ready!(events.poll_recv(cx)) {
                self.note(event, &mut on_running);
            }
            Poll::Ready(())
        })
        .await;
        self.outcome
    }

    /// Catches a panic, so that the cores are still stopped and awaited.
    fn poll_shutdown(&mut self, shutdown: Pin<&mut impl Future<Output = ()>>, cx: &mut Context<'_>) {
        match catch_unwind(AssertUnwindSafe(|| shutdown.poll(cx))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) => {}
            Err(payload) => self.outcome.panic = Some(payload),
        }
        self.asked = true;
        self.stop();
    }

    fn note(&mut self, event: Event<T>, on_running: &mut impl FnMut()) {
        match event {
            Event::Ready => {
                self.starting -= 1;
                if self.starting == 0 && *self.phase.borrow() == Phase::Starting {
                    on_running();
                    self.phase.send_replace(if self.asked { Phase::Stopping } else { Phase::Running });
                }
            }
            Event::Done(core, Ok(value)) => self.outcome.values[core] = value,
            Event::Done(_, Err(failure)) => self.fail(failure),
        }
    }

    pub(super) fn fail(&mut self, failure: PerCoreError) {
        #[cfg(feature = "tracing")]
        tracing::error!(%failure, "shutting down all cores");
        self.outcome.failures.push(failure);
        if *self.phase.borrow() == Phase::Starting {
            self.phase.send_replace(Phase::Abandoned);
        }
        self.stop();
    }

    fn stop(&self) {
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Stopping;
            }
            running
        });
    }
}
