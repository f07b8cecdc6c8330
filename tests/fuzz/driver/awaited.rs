//! Futures that do anything when they are made, polled and dropped.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread,
};

use tower_fiber::{UntilCallerGone, until_caller_gone};

use super::{
    gate,
    ledger::FiberNo,
    script::{Awaited, Source, ValueSetup},
    stage::Stage,
    value::Value,
};

/// Becomes a future.
pub(crate) struct Becoming {
    pub(crate) stage: Arc<Stage>,
    pub(crate) owner: FiberNo,
    pub(crate) awaited: Awaited,
    /// The future was dropped while the thread panicked.
    pub(crate) was_unwound: Arc<AtomicBool>,
}

impl IntoFuture for Becoming {
    type Output = ();
    type IntoFuture = Polled;

    fn into_future(self) -> Polled {
        self.stage.act(self.awaited.into);
        let Self { stage, owner, awaited, was_unwound } = self;
        let gone = matches!(awaited.source, Source::Gone { .. }).then(until_caller_gone);
        let value = Value::new(&stage, Some(owner), ValueSetup { dropped: awaited.dropped, ..ValueSetup::default() });
        let times = if let Source::Yields { times } = awaited.source { times % 4 } else { 0 };
        Polled { _value: value, stage, awaited, was_unwound, waiter: gate::waiter(), times, gone }
    }
}

pub(crate) struct Polled {
    _value: Value,
    stage: Arc<Stage>,
    awaited: Awaited,
    was_unwound: Arc<AtomicBool>,
    waiter: u64,
    times: u8,
    gone: Option<UntilCallerGone>,
}

impl Polled {
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.awaited.source {
            Source::Ready => Poll::Ready(()),
            Source::Never => Poll::Pending,
            Source::Yields { .. } if self.times == 0 => Poll::Ready(()),
            Source::Yields { .. } => {
                self.times -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Source::Gate { gate } => self.poll_gate(gate, cx),
            Source::Gone { gate } => {
                let gone = self.gone.as_mut().is_some_and(|gone| Pin::new(gone).poll(cx).is_ready());
                if gone { Poll::Ready(()) } else { self.poll_gate(gate, cx) }
            }
        }
    }

    fn poll_gate(&self, gate: u8, cx: &Context<'_>) -> Poll<()> {
        let gate = self.stage.gate(gate);
        if self.awaited.keeps_waker {
            gate.keep(cx.waker().clone());
        }
        gate.poll(self.waiter, cx)
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.was_unwound.store(thread::panicking(), Ordering::Relaxed);
    }
}

impl Future for Polled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let poll = self.poll_source(cx);
        self.stage.act(self.awaited.polled);
        poll
    }
}
