//! How a script ends, and what must be true then.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use super::{
    calls::clear_locals,
    gate::Gate,
    script::{Ending, LAYERS, WakerSetup},
    stage::Stage,
    value::{discard, guarded},
    world::drop_panicking,
};

/// Rounds in which nothing happens, after which nothing ever will.
const QUIET: u32 = 6;

/// How often those in line look for room that nobody uses.
const LOOKS: u32 = 100;

/// The same where other threads take part.
const PATIENCE: Duration = Duration::from_secs(20);

impl Stage {
    /// Ends all calls, with the runtime.
    pub(crate) async fn end(self: &Arc<Self>, ending: Ending) {
        self.drop_services();
        match ending {
            Ending::Await => {}
            Ending::Drop => self.drop_calls(),
            Ending::DropPanicking => drop_panicking(CallsOf(self)),
            Ending::Cancel => self.cancel_all(),
            Ending::ShutDown => return,
        }
        self.open_all();
        // What was woken in vain, as by a waker that panics, is polled once without; from then on only what is woken.
        self.calls.wake_all();
        self.settle(|| !self.calls.are_there() && self.are_drained()).await;
        if self.calls.are_there() || !self.are_drained() {
            // What waits for that, and nothing else.
            self.cancel_all();
            self.calls.wake_all();
            self.settle(|| !self.calls.are_there() && self.are_drained()).await;
        }
        if self.calls.are_there() && !self.may_be_stuck() {
            self.ledger.fail("a call is never woken, or never ends, though nothing keeps it");
        }
        self.drop_calls();
        self.settle(|| self.are_drained()).await;
        if !self.are_drained() && !self.may_be_stuck() {
            self.ledger.fail("a fiber never ends, though nothing keeps it");
        }
        self.end_fuel();
        self.try_limits().await;
        self.settle(|| self.are_drained()).await;
    }

    /// Polls what is woken until all is done, or nothing happens any more.
    async fn settle(self: &Arc<Self>, is_done: impl Fn() -> bool) {
        let begun = Instant::now();
        let mut quiet = 0;
        while !is_done() && (quiet < QUIET || (self.host.is_elsewhere() && begun.elapsed() < PATIENCE)) {
            let before = self.progress();
            while let Some(taken) = self.calls.take_woken() {
                guarded(|| self.poll_taken(taken, WakerSetup::default()));
            }
            self.idle().await;
            // For graces, and limits of races.
            self.advance(Duration::from_secs(10_000)).await;
            quiet = if self.progress() == before { quiet + 1 } else { 0 };
        }
    }

    /// Whether a leaked fiber keeps what others need: its permit, or a call that had not begun.
    fn may_be_stuck(&self) -> bool {
        let keeps_permit = |layer| self.limit(layer).is_some() && self.handles[layer].counters().leaked > 0;
        (0..LAYERS).any(|layer| keeps_permit(layer) || self.ledger.may_be_queued(layer))
    }

    fn progress(&self) -> (u64, [(u64, u64); LAYERS]) {
        let numbers = self.handles.each_ref().map(|handle| (handle.counters().live, handle.counters().leaked));
        (self.ledger.events(), numbers)
    }

    fn are_drained(&self) -> bool {
        self.handles.iter().all(|handle| is_ready(handle.drained()))
    }

    /// Begins as many calls as each layer admits beside those that are leaked.
    async fn try_limits(self: &Arc<Self>) {
        for layer in 0..LAYERS {
            let Some(limit) = self.limit(layer) else { continue };
            if self.closed[layer].load(Ordering::Relaxed) {
                continue;
            }
            let leaked = self.handles[layer].counters().leaked as usize;
            let (gate, begun) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
            let free = limit.saturating_sub(leaked);
            let mut calls: Vec<_> = (0..free)
                .map(|_| {
                    let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
                    self.layers[layer].run(move || {
                        let waiter = begun.fetch_add(1, Ordering::Relaxed);
                        tower_fiber::await_in_fiber(std::future::poll_fn(|cx| gate.poll(waiter as u64, cx)));
                    })
                })
                .collect();
            let mut poll = || {
                calls.retain_mut(|call| {
                    let mut is_pending = false;
                    guarded(|| is_pending = Pin::new(call).poll(&mut Context::from_waker(Waker::noop())).is_pending());
                    is_pending
                });
            };
            poll();
            // A service that was ready in a fiber that is leaked keeps its room, until those in line have looked for
            // some turns.
            for _ in 0..LOOKS {
                if begun.load(Ordering::Relaxed) == free {
                    break;
                }
                self.idle().await;
                poll();
            }
            self.settle(|| begun.load(Ordering::Relaxed) == free).await;
            let begun = begun.load(Ordering::Relaxed);
            if begun < free {
                self.ledger.fail(format!("layer {layer} admits {begun} calls of {limit} beside {leaked} leaked ones"));
            }
            gate.open_for_ever();
            poll();
        }
    }

    fn drop_services(&self) {
        let services = std::mem::take(&mut *self.services.lock().unwrap_or_else(PoisonError::into_inner));
        services.into_iter().for_each(discard);
    }

    fn cancel_all(&self) {
        self.handles.iter().for_each(|handle| _ = guarded(|| handle.cancel_all()));
    }

    fn open_all(&self) {
        self.gates.iter().for_each(|gate| _ = guarded(|| gate.open_for_ever()));
    }

    fn drop_calls(&self) {
        while let Some(taken) = self.calls.take(0) {
            discard(taken);
        }
    }

    /// When the runtime has ended as well.
    pub(crate) fn finish(self: &Arc<Self>) {
        self.drop_calls();
        self.drop_services();
        self.open_all();
        if self.host.is_elsewhere() {
            wait_until(|| self.are_drained());
        }
        self.end_fuel();
        clear_locals();
        self.drop_calls();
        // What was polled while the runtime ended is on the pool in any case. It finds the gates open.
        wait_until(|| (0..LAYERS).all(|layer| self.is_drained(layer)));
        self.gates.iter().for_each(Gate::clear);
        self.ledger.check();
        let [leaked @ .., strays] = self.ledger.leaked();
        for (layer, leaked) in leaked.into_iter().enumerate() {
            self.check_counters(layer, leaked, strays);
        }
    }

    pub(crate) fn forbid_leaks(&self) {
        let leaked: u64 = self.ledger.leaked().iter().sum();
        if leaked > 0 {
            self.ledger.fail(format!("{leaked} fibers were leaked"));
        }
    }

    /// But for what a leaked fiber keeps.
    fn is_drained(&self, layer: usize) -> bool {
        is_ready(self.handles[layer].drained()) || self.ledger.may_be_queued(layer)
    }

    /// `strays` are of any layer, or of none.
    fn check_counters(&self, layer: usize, leaked: u64, strays: u64) {
        let handle = &self.handles[layer];
        let counters = handle.counters();
        let counted = leaked..=leaked + strays + self.ledger.written_off(layer);
        if counters.live != 0 || !counted.contains(&counters.leaked) || counters.stacks_in_use > leaked + strays {
            self.ledger.fail(format!("layer {layer} has {counted:?} leaked fibers: {counters:?}"));
        }
        if !self.is_drained(layer) {
            self.ledger.fail(format!("layer {layer} is never drained"));
        }
        let dump = handle.dump();
        if !dump.fibers.is_empty() {
            self.ledger.fail(format!("layer {layer} lists {dump}"));
        }
    }
}

/// Drops all calls when it is dropped.
struct CallsOf<'a>(&'a Arc<Stage>);

impl Drop for CallsOf<'_> {
    fn drop(&mut self) {
        self.0.drop_calls();
    }
}

/// Other threads make it true, or it is given up.
fn wait_until(is_done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_done() && begun.elapsed() < PATIENCE {
        thread::yield_now();
    }
}

fn is_ready(future: impl Future<Output = ()>) -> bool {
    let future = std::pin::pin!(future);
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
}
