//! Hooks keep a thread's context and a fiber's apart.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{sync::oneshot, task::yield_now};
use tower_fiber::{FiberLayer, Hook, OnDrop, WaitExt as _};

use crate::support::{both_with_one_worker, poll_once, until};

thread_local! {
    /// The current context, as OpenTelemetry keeps one.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
    static ORDER: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

tokio::task_local!(static REQUEST: u32);

/// The current context in `CURRENT` follows each call.
#[derive(Clone, Default)]
struct Current {
    resumed: Arc<AtomicUsize>,
    suspended: Arc<AtomicUsize>,
}

impl Hook for Current {
    type State = u32;

    fn on_call(&self) -> u32 {
        CURRENT.get()
    }

    fn on_resume(&self, state: &mut u32) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
        *state = CURRENT.replace(*state);
    }

    fn on_suspend(&self, state: &mut u32) {
        self.suspended.fetch_add(1, Ordering::Relaxed);
        *state = CURRENT.replace(*state);
    }
}

impl Current {
    /// In place, and on a pool of one thread.
    fn layers(&self, policy: OnDrop) -> [FiberLayer; 2] {
        both_with_one_worker(FiberLayer::builder().on_drop(policy).hook(self.clone()))
    }

    /// Each resume had its suspend, and nothing is left on the fiber's thread.
    async fn assert_clean(&self, layer: &FiberLayer) {
        CURRENT.set(0);
        assert_eq!(layer.run(|| CURRENT.get()).await, 0);
        until(|| layer.handle().live() == 0).await;
        until(|| self.suspended.load(Ordering::Relaxed) == self.resumed.load(Ordering::Relaxed)).await;
    }
}

#[tokio::test]
async fn the_callers_context_is_the_fibers() {
    let hook = Current::default();
    for layer in hook.layers(OnDrop::Finish) {
        CURRENT.set(7);
        let (open, gate) = oneshot::channel::<()>();
        let mut call = Box::pin(layer.run(move || {
            let begun = CURRENT.replace(8);
            gate.wait().unwrap();
            (begun, CURRENT.get())
        }));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        assert_eq!(CURRENT.get(), 7, "the thread's own");
        CURRENT.set(9);
        assert_eq!(layer.run(|| CURRENT.get()).await, 9);
        open.send(()).unwrap();
        assert_eq!(call.await, (7, 8));
        assert_eq!(CURRENT.get(), 9);
        hook.assert_clean(&layer).await;
    }
}

#[tokio::test]
async fn panics_and_unwinding_leave_nothing() {
    let hook = Current::default();
    for layer in hook.layers(OnDrop::Unwind) {
        let panics = tokio::spawn(layer.run(|| {
            CURRENT.set(1);
            yield_now().wait();
            panic!("on purpose");
        }));
        assert!(panics.await.is_err());
        hook.assert_clean(&layer).await;
        let mut dropped = Box::pin(layer.run(|| {
            CURRENT.set(2);
            pending::<()>().wait();
        }));
        assert!(poll_once(&mut dropped).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        drop(dropped);
        until(|| layer.handle().live() == 0).await;
        hook.assert_clean(&layer).await;
    }
}

#[tokio::test]
async fn a_fiber_that_goes_on_alone_keeps_it() {
    let hook = Current::default();
    for layer in hook.layers(OnDrop::Finish) {
        CURRENT.set(5);
        let ((open, gate), (tell, told)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut call = Box::pin(layer.run(move || {
            gate.wait().unwrap();
            tell.send(CURRENT.get()).unwrap();
        }));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        drop(call);
        CURRENT.set(6);
        open.send(()).unwrap();
        assert_eq!(told.await, Ok(5));
        assert_eq!(CURRENT.get(), 6);
        hook.assert_clean(&layer).await;
    }
}

/// Says when it is called.
struct Named(&'static str, &'static str);

impl Hook for Named {
    type State = ();

    fn on_call(&self) {}

    fn on_resume(&self, (): &mut ()) {
        assert_eq!(REQUEST.get(), 7, "carried task-locals are there");
        ORDER.with_borrow_mut(|order| order.push(self.0));
    }

    fn on_suspend(&self, (): &mut ()) {
        assert_eq!(REQUEST.get(), 7);
        ORDER.with_borrow_mut(|order| order.push(self.1));
    }
}

#[tokio::test]
async fn hooks_lie_one_around_the_other() {
    let builder = FiberLayer::builder().hook(Named("in 1", "out 1")).hook(Named("in 2", "out 2")).carry(&REQUEST);
    let layer = builder.build().unwrap();
    let call = layer.run(|| {
        yield_now().wait();
        ORDER.with_borrow_mut(|order| order.push("after the wait"));
    });
    REQUEST.scope(7, call).await;
    let around = ["in 1", "in 2", "out 2", "out 1", "in 1", "in 2", "after the wait", "out 2", "out 1"];
    assert_eq!(ORDER.take(), around);
}
