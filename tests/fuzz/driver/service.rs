//! A service that works in `call`, in its future, or in both.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_fiber::{FiberService, WaitExt as _};
use tower_layer::Layer as _;
use tower_service::Service;

use super::{
    fiber::{Inside, Me},
    gate,
    ledger::Running,
    script::{LAYERS, Phase, Program, ValueSetup},
    stage::Stage,
    value::Value,
};

pub(crate) struct Served {
    stage: Arc<Stage>,
    layer: usize,
    program: Arc<Program>,
    waiter: u64,
}

/// The request, and who works on it.
pub(crate) struct Request {
    me: Me,
    value: Value,
}

impl Request {
    pub(crate) fn new(stage: &Arc<Stage>, parent: Option<&Me>, layer: usize, setup: ValueSetup) -> Self {
        let me = Me::new(stage, parent, Some(layer));
        let value = me.value(setup);
        Self { me, value }
    }
}

/// A service in a layer.
pub(crate) fn serve(stage: &Arc<Stage>, layer: usize, program: &Program) -> FiberService<Served> {
    let served = Served { stage: Arc::clone(stage), layer, program: Arc::new(program.clone()), waiter: gate::waiter() };
    stage.layers[layer].layer(served)
}

impl Served {
    pub(crate) fn layer(&self) -> usize {
        self.layer
    }
}

impl Clone for Served {
    fn clone(&self) -> Self {
        self.stage.act(self.program.cloned);
        Self { program: Arc::clone(&self.program), stage: Arc::clone(&self.stage), waiter: gate::waiter(), ..*self }
    }
}

impl Service<Request> for Served {
    type Response = Value;
    type Error = Infallible;
    type Future = Root;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.program.ready < 8 {
            ready!(self.stage.gate(self.program.ready).poll(self.waiter, cx));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Request { me, value }: Request) -> Root {
        let _running = Running::begin(&me.stage, me.number);
        let program = Arc::clone(&self.program);
        me.run(&program.steps);
        Root { me, _request: value, program, next: 0, waiter: gate::waiter(), _running }
    }
}

/// The future of a service: parked at gates, with synchronous code between them.
pub(crate) struct Root {
    me: Me,
    _request: Value,
    program: Arc<Program>,
    next: usize,
    waiter: u64,
    /// Last, so that what lies in it is dropped before.
    _running: Running,
}

impl Future for Root {
    type Output = Result<Value, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let program = Arc::clone(&self.program);
        while let Some(phase) = program.phases.get(self.next) {
            match phase {
                Phase::Park { gate } => ready!(self.me.stage.gate(*gate).poll(self.waiter, cx)),
                Phase::Run { steps } => self.me.run(steps),
            }
            self.next += 1;
        }
        Poll::Ready(Ok(self.me.value(program.output)))
    }
}

impl Me {
    /// Calls a service as soon as it is ready.
    pub(crate) fn serve(&self, layer: u8, program: &Program, request: ValueSetup) {
        let layer = usize::from(layer) % LAYERS;
        if !self.may_call(layer) {
            return;
        }
        let mut service = serve(&self.stage, layer, program);
        self.waits(|| poll_fn(|cx| Service::<Request>::poll_ready(&mut service, cx)).wait()).unwrap();
        let request = Request::new(&self.stage, Some(self), layer, request);
        let call = service.call(request);
        let inside = Inside::default();
        let mut call = Box::pin(call);
        let probed = poll_fn(|cx| {
            inside.is_polled.set(true);
            let poll = call.as_mut().poll(cx);
            inside.is_polled.set(false);
            poll
        });
        self.waits_for(&inside, || inside.is_polled.get(), || drop(probed.wait()));
    }
}
