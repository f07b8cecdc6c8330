//! The calling thread's part: it waits for the shutdown and for the cores.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::PerCoreError;

/// What the cores are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Wait until all cores are ready.
    Starting,
    /// Run the closure.
    Running,
    /// Run the closure, and end it soon.
    Stopping,
    /// Do not run the closure: a core could not start.
    Abandoned,
}

/// What a core tells.
pub(super) enum Event<T> {
    Ready,
    /// The closure has ended, or the core could not start. `None`: it was told not to run.
    Done(usize, Option<Result<T, PerCoreError>>),
    /// The runtime has shut down, and the thread ends.
    Ended,
}

/// What is known when all cores have ended.
pub(super) struct Outcome<T> {
    /// By core.
    pub(super) values: Vec<Option<T>>,
    pub(super) failures: Vec<PerCoreError>,
    /// Of the shutdown future.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

pub(super) struct Supervisor<T> {
    phase: watch::Sender<Phase>,
    started: usize,
    ready: usize,
    ended: usize,
    /// The shutdown was asked for.
    asked: bool,
    outcome: Outcome<T>,
}

impl<T> Supervisor<T> {
    /// Of `started` threads. `failure`, if not all could be started.
    pub(super) fn new(
        phase: watch::Sender<Phase>,
        cores: usize,
        started: usize,
        failure: Option<PerCoreError>,
    ) -> Self {
        let mut values = Vec::new();
        values.resize_with(cores, || None);
        let mut supervisor = Self {
            phase,
            started,
            ready: 0,
            ended: 0,
            asked: false,
            outcome: Outcome { values, failures: Vec::new(), panic: None },
        };
        if let Some(failure) = failure {
            supervisor.fail(failure);
        }
        supervisor
    }

    /// Until all threads have ended.
    pub(super) async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
        mut events: UnboundedReceiver<Event<T>>,
        mut on_running: impl FnMut(),
    ) -> Outcome<T> {
        let mut shutdown = pin!(shutdown);
        poll_fn(|cx| {
            if !self.asked {
                self.poll_shutdown(shutdown.as_mut(), cx);
            }
            while self.ended < self.started {
                match events.poll_recv(cx) {
                    Poll::Ready(Some(event)) => self.note(event, &mut on_running),
                    // The threads hold senders until they end.
                    Poll::Ready(None) => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        })
        .await;
        self.outcome
    }

    /// A panic must not keep the cores from being told and waited for.
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
                self.ready += 1;
                if self.ready == self.started && *self.phase.borrow() == Phase::Starting {
                    on_running();
                    self.phase.send_replace(if self.asked { Phase::Stopping } else { Phase::Running });
                }
            }
            Event::Done(core, Some(Ok(value))) => self.outcome.values[core] = Some(value),
            Event::Done(_, Some(Err(failure))) => self.fail(failure),
            Event::Done(_, None) => {}
            Event::Ended => self.ended += 1,
        }
    }

    fn fail(&mut self, failure: PerCoreError) {
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
