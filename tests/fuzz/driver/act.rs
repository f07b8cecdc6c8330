//! What foreign code does.

use std::{
    future::Future,
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Waker},
    thread,
};

use futures_util::{FutureExt as _, future::select};
use tower_fiber::{
    await_in_fiber, caller_gone, in_fiber, join, remaining_stack, run_local, shield, try_await_in_fiber,
    until_caller_gone, wait_mode,
};
use tower_service::Service as _;

use super::{
    calls::Kept,
    gate,
    ledger::Running,
    script::{Act, LAYERS, WakerSetup},
    stage::Stage,
    value::guarded,
};

impl Stage {
    /// Does it, if there is room for that. It may panic, and suspend the fiber in which it is done.
    pub(crate) fn act(self: &Arc<Self>, act: Act) {
        if act == Act::Nothing || !self.take_fuel() {
            return;
        }
        // A destructor that panics, or waits infallibly, while its thread panics ends the process, as is documented.
        if thread::panicking() { self.act_while_panicking(act) } else { self.act_now(act) }
    }

    fn act_while_panicking(self: &Arc<Self>, act: Act) {
        match act {
            Act::Wait { gate } | Act::Try { gate } | Act::Shield { gate } => self.act_now(Act::Try { gate }),
            Act::Panic | Act::Yield | Act::Join { .. } => {}
            // What they meet may panic.
            _ => _ = guarded(|| self.act_now(act)),
        }
    }

    fn act_now(self: &Arc<Self>, act: Act) {
        match act {
            Act::Nothing => {}
            Act::PollCall { .. } | Act::Call { .. } if !self.may_poll() => {}
            Act::Panic => resume_unwind(Box::new("foreign")),
            Act::Wait { gate } => await_in_fiber(self.waiting(gate)),
            Act::Try { gate } => _ = try_await_in_fiber(self.waiting(gate)),
            Act::Yield => tower_fiber::yield_now(),
            Act::Wake { gate } => self.gate(gate).wake(),
            Act::Open { gate } => self.open(gate),
            Act::CancelAll { layer } => self.handles[number(layer)].cancel_all(),
            Act::Dump { layer } => _ = self.handles[number(layer)].dump().to_string(),
            Act::DropCall { call } => drop(self.calls.take(call)),
            Act::PollCall { call } => self.poll_call(call, WakerSetup::default()),
            Act::Call { layer } => poll_once(&mut self.layers[number(layer)].run(|| ())),
            Act::Ask => _ = (caller_gone(), in_fiber(), wait_mode(), remaining_stack()),
            Act::Gone => {
                // Where there is no caller it is never ready.
                let gone = select(until_caller_gone(), Box::pin(self.waiting(0)));
                self.calls.put(Kept::Sent(Box::pin(gone.map(drop))));
            }
            Act::Shield { gate } => shield(|| self.act_now(Act::Try { gate })),
            Act::Join { gate } => {
                let (first, second) = (self.waiting(gate), self.waiting(gate.wrapping_add(1)));
                join(self.stray(move || await_in_fiber(first)), self.stray(move || _ = try_await_in_fiber(second)));
            }
            Act::Local { gate } => {
                let waiting = self.waiting(gate);
                poll_once(&mut run_local(self.stray(move || await_in_fiber(waiting))));
            }
            Act::Late => self.gates.iter().for_each(gate::Gate::drop_late),
            Act::Ready { service } => self.poll_ready(service, WakerSetup::default()),
            Act::DropService { service } => drop(self.take_service(service)),
            Act::Close { layer } => {
                self.closed[number(layer)].store(true, Ordering::Relaxed);
                self.handles[number(layer)].close();
            }
        }
    }

    /// What a fiber of foreign code does.
    fn stray<F: FnOnce()>(self: &Arc<Self>, f: F) -> impl FnOnce() + use<F> {
        let stage = Arc::clone(self);
        move || {
            let _running = Running::begin(&stage, stage.ledger.stray());
            f();
        }
    }

    /// A plain wait for a gate.
    pub(crate) fn waiting(self: &Arc<Self>, gate: u8) -> impl Future<Output = ()> + Send + use<> {
        let (stage, waiter) = (Arc::clone(self), gate::waiter());
        std::future::poll_fn(move |cx| stage.gate(gate).poll(waiter, cx))
    }

    pub(crate) fn poll_ready(self: &Arc<Self>, service: u8, waker: WakerSetup) {
        if let Some((index, mut service)) = self.take_service(service) {
            let waker = super::waker::foreign(self, waker, &Arc::default());
            _ = service.poll_ready(&mut Context::from_waker(&waker));
            self.put_service(Some(index), service);
        }
    }
}

fn number(layer: u8) -> usize {
    usize::from(layer) % LAYERS
}

fn poll_once(future: &mut (impl Future + Unpin)) {
    let future = pin!(future);
    _ = future.poll(&mut Context::from_waker(Waker::noop()));
}
