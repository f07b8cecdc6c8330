//! A fiber of a script: how it is made, who it is, and what is watched of it.

use std::{
    cell::Cell,
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower_fiber::{Cancelled, LocalFiber, error::TryAwaitError, run_local, try_await_in_fiber};

use super::{
    calls::{Kept, Local},
    ledger::{FiberNo, Running},
    script::{FiberSetup, Host, Kind, LAYERS, Policy, Steps, ValueSetup},
    stage::Stage,
    value::Value,
};

/// The fiber in which steps run.
pub(crate) struct Me {
    pub(crate) stage: Arc<Stage>,
    pub(crate) number: FiberNo,
    /// Its layer, if it is not one of `run_local`.
    pub(crate) layer: Option<usize>,
    /// The highest number of a layer around. Limited layers are called upwards only, so that no two calls wait for each
    /// other's place.
    pub(crate) rank: usize,
    /// A fiber around it was in a shield when it was made.
    is_sheltered: bool,
    shields: Cell<u32>,
    /// Whether a cancel was in force already when the shield began.
    was_cancelled: Cell<bool>,
}

/// A fiber that is to run.
pub(crate) struct Body {
    pub(crate) me: Me,
    steps: Steps,
    output: ValueSetup,
    held: Value,
}

impl Body {
    pub(crate) fn number(&self) -> FiberNo {
        self.me.number
    }

    pub(crate) fn run(self) -> Value {
        let _running = Running::begin(&self.me.stage, self.me.number);
        let Self { me, steps, output, held } = self;
        me.run(&steps);
        // Before there is an output, which Rust forgets when a destructor panics while it is being returned.
        drop(held);
        Value::new(&me.stage, Some(me.number), output)
    }
}

impl Me {
    /// `parent` is the fiber that makes it.
    pub(crate) fn new(stage: &Arc<Stage>, parent: Option<&Self>, layer: Option<usize>) -> Self {
        let number = stage.ledger.fiber(layer, parent.map(|parent| parent.number));
        let rank = parent.map_or(0, |parent| parent.rank).max(layer.unwrap_or_default());
        let is_sheltered = parent.is_some_and(|parent| parent.is_sheltered || parent.shields.get() > 0);
        let (stage, shields, was_cancelled) = (Arc::clone(stage), Cell::new(0), Cell::new(false));
        Self { stage, number, layer, rank, is_sheltered, shields, was_cancelled }
    }

    /// A fiber of this one's layer, as `join` and `race` make them.
    pub(crate) fn child(&self, steps: &Steps) -> Body {
        let me = Self::new(&self.stage, Some(self), self.layer);
        let held = Value::new(&self.stage, Some(me.number), ValueSetup::default());
        Body { me, steps: steps.clone(), output: ValueSetup::default(), held }
    }

    /// Whether a call of this layer may be made here; see `rank`.
    pub(crate) fn may_call(&self, layer: usize) -> bool {
        // In a set a call inside is polled by a task of its own.
        let is_apart = self.stage.host == Host::Set && layer == self.rank;
        (layer >= self.rank && !is_apart) || self.stage.limit(layer).is_none()
    }

    pub(crate) fn value(&self, setup: ValueSetup) -> Value {
        Value::new(&self.stage, Some(self.number), setup)
    }

    /// Runs `f` in a shield, and notes whether there was something to be shielded from.
    pub(crate) fn shielded(&self, f: impl FnOnce()) {
        struct Left<'a>(&'a Me);

        impl Drop for Left<'_> {
            fn drop(&mut self) {
                self.0.shields.set(self.0.shields.get() - 1);
                self.0.stage.ledger.unshield(self.0.number);
            }
        }

        if self.shields.get() == 0 {
            // Twice, since the first may yield, and hear of a cancel then.
            _ = try_await_in_fiber(ready(()));
            self.was_cancelled.set(try_await_in_fiber(ready(())).is_err());
        }
        tower_fiber::shield(|| {
            self.shields.set(self.shields.get() + 1);
            self.stage.ledger.shield(self.number);
            let _left = Left(self);
            f();
        });
    }

    /// Whether a cancel of its layer ends an infallible wait here.
    pub(crate) fn can_be_cut(&self) -> bool {
        let unwinds = self.layer.is_some_and(|layer| self.stage.setups[layer].policy == Policy::Unwind);
        // Nor on the pool, where it takes long to find out that nothing else ends the wait.
        unwinds && !self.is_sheltered && self.shields.get() == 0 && !self.stage.host.is_elsewhere()
    }

    fn is_shielded(&self) -> bool {
        self.shields.get() > 0 && !self.was_cancelled.get()
    }

    /// Waits, by `f`, infallibly, for no fiber.
    pub(crate) fn waits<R>(&self, f: impl FnOnce() -> R) -> R {
        self.waits_for(&Inside::default(), || false, f)
    }

    /// Waits, by `f`, infallibly, for fibers. `was_theirs` says whether a panic is one of theirs.
    pub(crate) fn waits_for<R>(&self, inside: &Inside, was_theirs: impl FnOnce() -> bool, f: impl FnOnce() -> R) -> R {
        catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
            if payload.is::<Cancelled>() && !was_theirs() {
                self.note_cut(inside);
            }
            resume_unwind(payload)
        })
    }

    /// Its own wait has unwound, as a cancel makes it.
    fn note_cut(&self, inside: &Inside) {
        let ledger = &self.stage.ledger;
        ledger.cut(self.number);
        if self.is_shielded() {
            ledger.fail(format!("a shielded section of fiber {} was cut", self.number));
        }
        for child in inside.follow.iter().filter(|child| ledger.is_behind(**child, inside.turn.get())) {
            ledger.fail(format!("fiber {} was unwound before {child}, which lies inside", self.number));
        }
    }

    /// What a fallible wait has said.
    pub(crate) fn tried<F>(&self, result: &Result<F::Output, TryAwaitError<F>>)
    where
        F: std::future::IntoFuture,
    {
        if matches!(result, Err(TryAwaitError::Cancelled(_))) && self.is_shielded() {
            self.stage.ledger.fail(format!("a wait in a shielded section of fiber {} was cancelled", self.number));
        }
    }
}

/// What a fiber waits for.
#[derive(Default)]
pub(crate) struct Inside {
    /// Fibers that are to be unwound before it.
    pub(crate) follow: Vec<FiberNo>,
    /// When it was polled last.
    pub(crate) turn: Cell<u64>,
    /// It is being polled, or has panicked when it was.
    pub(crate) is_polled: Cell<bool>,
}

/// A fiber that was made, as one future.
pub(crate) struct Made {
    pub(crate) number: FiberNo,
    /// Whether it is to be unwound with the fiber around it.
    pub(crate) follows: bool,
    pub(crate) future: MadeFuture,
}

pub(crate) struct MadeFuture {
    stage: Arc<Stage>,
    number: FiberNo,
    pub(crate) kind: MadeKind,
}

pub(crate) enum MadeKind {
    Sent(Pin<Box<dyn Future<Output = Value> + Send>>),
    Local(Box<LocalFiber<Value>>),
}

impl Made {
    pub(crate) fn new(stage: &Arc<Stage>, parent: Option<&Me>, setup: &FiberSetup) -> Self {
        let layer = usize::from(setup.layer) % LAYERS;
        let is_local = setup.kind == Kind::Local || parent.is_some_and(|parent| !parent.may_call(layer));
        let me = Me::new(stage, parent, (!is_local).then_some(layer));
        let number = me.number;
        let held = Value::new(stage, Some(number), setup.held);
        let body = Body { me, steps: setup.steps.clone(), output: setup.output, held };
        let kind = if is_local {
            MadeKind::Local(Box::new(run_local(move || body.run())))
        } else {
            MadeKind::Sent(Box::pin(stage.layers[layer].run(move || body.run())))
        };
        // On the pool a call of a fiber that is not there goes on beside it.
        let is_apart = stage.host.is_elsewhere() && stage.is_home();
        let follows = is_local || (stage.setups[layer].policy == Policy::Unwind && !is_apart);
        Self { number, follows, future: MadeFuture { stage: Arc::clone(stage), number, kind } }
    }

    /// To be kept among the calls.
    pub(crate) fn kept(self) -> Kept {
        match self.future.kind {
            MadeKind::Sent(future) => Kept::Sent(Box::pin(Ended(future))),
            MadeKind::Local(fiber) => Kept::Local(Local::new(fiber)),
        }
    }
}

impl Future for MadeFuture {
    type Output = Value;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        let Self { stage, number, kind } = self.get_mut();
        stage.ledger.polled(*number);
        match kind {
            MadeKind::Sent(future) => future.as_mut().poll(cx),
            MadeKind::Local(fiber) => Pin::new(fiber).poll(cx),
        }
    }
}

/// A call whose outcome is dropped.
pub(crate) struct Ended<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Ended<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
