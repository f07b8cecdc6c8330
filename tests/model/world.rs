//! The real thing beside the model, in place on one thread.

use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::yield_now,
};
use tower_fiber::{
    FiberHandle, FiberLayer, FiberLayerBuilder, InFiber, OnDrop, WaitExt as _, caller_gone, shield, try_await_in_fiber,
};

use crate::{
    machine::{Machine, Outcome},
    script::{Ending, Event, GATES, Operation, Script, Step},
    shared::Shared,
};

/// What the real fibers share.
pub(crate) struct Stage {
    pub(crate) gates: [Semaphore; GATES],
    /// Until they are dropped, and with them the pool.
    layers: Mutex<Option<[FiberLayer; 3]>>,
    pub(crate) handles: [FiberHandle; 3],
    pub(crate) events: Mutex<Vec<Vec<Event>>>,
    /// Values that count their drop: made, and dropped.
    pub(crate) made: AtomicUsize,
    pub(crate) drops: AtomicUsize,
}

struct Counted(Arc<Stage>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::Relaxed);
    }
}

impl Stage {
    pub(crate) fn new(builder: &FiberLayerBuilder) -> Arc<Self> {
        let layer = |policy| builder.clone().stack_size(256 * 1024).on_drop(policy).build().unwrap();
        let layers = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind].map(layer);
        Arc::new(Self {
            gates: std::array::from_fn(|_| Semaphore::new(0)),
            handles: layers.each_ref().map(FiberLayer::handle),
            layers: Mutex::new(Some(layers)),
            events: Mutex::default(),
            made: AtomicUsize::new(0),
            drops: AtomicUsize::new(0),
        })
    }

    fn counted(self: &Arc<Self>) -> Counted {
        self.made.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    /// A gate that is closed as a semaphore is open to all.
    pub(crate) fn open(&self, gate: usize) {
        self.gates[gate].close();
    }

    /// From here on no more calls can be started.
    pub(crate) fn drop_layers(&self) {
        drop(self.layers.lock().unwrap().take());
    }

    pub(crate) fn start(self: &Arc<Self>, script: &Script) -> Option<InFiber<()>> {
        let layer = self.layers.lock().unwrap().as_ref()?[script.layer].clone();
        let name = {
            let mut events = self.events.lock().unwrap();
            events.push(Vec::new());
            events.len() - 1
        };
        let (closure, script) = (self.counted(), script.clone());
        Some(layer.run(move || closure.0.run(name, &script.steps)))
    }

    fn log(&self, name: usize, event: Event) {
        self.events.lock().unwrap()[name].push(event);
    }

    fn run(self: &Arc<Self>, name: usize, steps: &[Step]) {
        for step in steps {
            let event = match step {
                Step::Wait(gate) => {
                    _ = self.gates[*gate].acquire().wait();
                    Event::Waited
                }
                Step::Try(gate) => Event::Tried { cancelled: try_await_in_fiber(self.gates[*gate].acquire()).is_err() },
                Step::Ready => {
                    ready(()).wait();
                    Event::Ready
                }
                Step::Block => {
                    let (send, receive) = mpsc::channel();
                    send.send(()).unwrap();
                    receive.recv().unwrap();
                    Event::Blocked
                }
                Step::Look => Event::Looked { gone: caller_gone() },
                // Without the hook, which would print.
                Step::Panic => resume_unwind(Box::new("expected")),
                Step::Hold(steps) => {
                    let _held = self.counted();
                    self.run(name, steps);
                    Event::Held
                }
                Step::Shield(steps) => {
                    shield(|| self.run(name, steps));
                    Event::Shielded
                }
                Step::Catch(steps) => {
                    Event::Caught { unwound: catch_unwind(AssertUnwindSafe(|| self.run(name, steps))).is_err() }
                }
                Step::Nest(script) => {
                    let Some(call) = self.start(script) else { continue };
                    call.wait();
                    Event::Nested
                }
            };
            self.log(name, event);
        }
    }
}

/// A call and its model, until either is dropped.
struct Call {
    real: Pin<Box<InFiber<()>>>,
    model: Machine,
}

/// Does the same to both, and compares after each operation.
pub(crate) fn compare(operations: &[Operation], ending: Ending) {
    let mut world = World::new();
    for operation in operations {
        world.apply(operation);
        world.check();
    }
    world.end(ending);
}

struct World {
    runtime: Option<Runtime>,
    real: Arc<Stage>,
    model: Shared,
    calls: Vec<Call>,
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let real = Stage::new(&FiberLayer::builder());
        Self { runtime: Some(runtime), real, model: Shared::default(), calls: Vec::new() }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Start(script) => {
                let real = Box::pin(self.real.start(script).expect("the layers are there"));
                self.calls.push(Call { real, model: Machine::new(script, &mut self.model) });
            }
            Operation::Poll(n) => self.poll(*n),
            Operation::Open(gate) => {
                self.real.open(*gate);
                self.model.open[*gate] = true;
            }
            Operation::Drop(n) => self.drop_call(*n, drop),
            Operation::DropElsewhere(n) => self.drop_call(*n, |real| thread::spawn(move || drop(real)).join().unwrap()),
            Operation::CancelAll(layer) => {
                self.real.handles[*layer].cancel_all();
                self.model.cancels[*layer] += 1;
            }
            Operation::Idle => self.idle(),
        }
    }

    fn poll(&mut self, n: usize) {
        if self.calls.is_empty() {
            return;
        }
        let n = n % self.calls.len();
        let Call { real, model } = &mut self.calls[n];
        // It is ready at once, so that no other task runs.
        let poll = async { real.as_mut().poll(&mut Context::from_waker(Waker::noop())) };
        let runtime = self.runtime.as_ref().unwrap();
        let real = match catch_unwind(AssertUnwindSafe(|| runtime.block_on(poll))) {
            Ok(Poll::Ready(())) => Some(Outcome::Returned),
            Ok(Poll::Pending) => None,
            Err(_) => Some(Outcome::Unwound),
        };
        let model = model.poll(&mut self.model, None);
        assert_eq!(real, model);
        if real.is_some() {
            self.calls.remove(n);
        }
    }

    fn drop_call(&mut self, n: usize, drop: fn(Pin<Box<InFiber<()>>>)) {
        if self.calls.is_empty() {
            return;
        }
        let Call { real, model } = self.calls.remove(n % self.calls.len());
        drop(real);
        model.abandon(&mut self.model);
    }

    fn idle(&mut self) {
        self.runtime.as_ref().unwrap().block_on(async {
            // One turn of the scheduler for each wake that one task may cause another.
            for _ in 0..20 {
                yield_now().await;
            }
        });
        // A poll without need changes nothing, so all are polled until none moves: one may orphan another.
        loop {
            let before = self.model.progress();
            for mut orphan in std::mem::take(&mut self.model.orphans) {
                if orphan.poll_orphan(&mut self.model).is_none() {
                    self.model.orphans.push(orphan);
                }
            }
            if before == self.model.progress() {
                break;
            }
        }
    }

    fn check(&self) {
        let counters = self.real.handles.each_ref().map(FiberHandle::counters);
        assert_eq!(counters, self.model.counters);
        assert_eq!(self.real.drops.load(Ordering::Relaxed), self.model.drops, "values dropped");
        // Names are given in the order of the beginnings, which differs where several are polled in one turn.
        let sorted = |events: &Vec<Vec<Event>>| {
            let mut texts: Vec<_> = events.iter().map(|events| format!("{events:?}")).collect();
            texts.sort();
            texts
        };
        assert_eq!(sorted(&self.real.events.lock().unwrap()), sorted(&self.model.events));
    }

    fn end(mut self, ending: Ending) {
        match ending {
            Ending::OpenAll => {
                (0..GATES).for_each(|gate| self.apply(&Operation::Open(gate)));
                while !self.calls.is_empty() {
                    self.poll(0);
                    self.check();
                }
            }
            Ending::DropAll => {
                while !self.calls.is_empty() {
                    self.drop_call(0, drop);
                }
                self.idle();
                self.check();
                (0..GATES).for_each(|gate| self.apply(&Operation::Open(gate)));
            }
            Ending::ShutDown => {
                drop(self.runtime.take());
                for Call { real, model } in std::mem::take(&mut self.calls) {
                    drop(real);
                    model.abandon(&mut self.model);
                }
                for orphan in std::mem::take(&mut self.model.orphans) {
                    orphan.leak(&mut self.model);
                }
                return self.check();
            }
        }
        self.idle();
        self.check();
        assert!(self.model.orphans.is_empty(), "with all gates open each fiber ends");
        let leaked: u64 = self.model.counters.iter().map(|counters| counters.leaked).sum();
        assert_eq!((self.real.made.load(Ordering::Relaxed), leaked), (self.model.drops, 0));
    }
}
