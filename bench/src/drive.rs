//! Polling by hand, so that no scheduler is measured.

use std::{
    future::{Future, poll_fn},
    hint::black_box,
    pin::{Pin, pin},
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use tokio::{
    runtime::Builder,
    task::{LocalSet, spawn_local},
};

/// That of the task which [`in_task`] has started.
static OWN: OnceLock<Waker> = OnceLock::new();

/// Runs `f` in a task of a current-thread runtime, whose waker all polls get from then on.
///
/// The layer asks on which runtime it is called, and remembers that of a task which polls its calls itself, as a
/// server's do.
///
/// # Panics
///
/// If `f` does.
pub fn in_task<R: 'static>(f: impl FnOnce() -> R + 'static) -> R {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let task = async {
        poll_fn(|cx| {
            _ = OWN.set(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        f()
    };
    LocalSet::new().block_on(&runtime, async { spawn_local(task).await }).expect("the task ends")
}

/// With a waker that the compiler does not know, or it works waits out beforehand.
///
/// # Panics
///
/// Outside of [`in_task`].
#[inline]
#[must_use]
pub fn context() -> Context<'static> {
    Context::from_waker(black_box(OWN.get().expect("it is called in the task")))
}

/// Polls one future until it is ready.
#[inline]
pub fn one<F: Future>(future: F) -> F::Output {
    // First: what may panic before it would make the compiler move the future.
    let mut future = pin!(future);
    let mut cx = context();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Room for many futures at once, allocated beforehand.
#[derive(Debug)]
pub struct Slots<F> {
    slots: Vec<Pin<Box<Option<F>>>>,
}

impl<F: Future> Slots<F> {
    /// Room for `count`.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { slots: (0..count).map(|_| Box::pin(None)).collect() }
    }

    /// Fills the room, then polls all in turn until all are ready.
    pub fn run(&mut self, mut make: impl FnMut() -> F) {
        let mut cx = context();
        for slot in &mut self.slots {
            slot.set(Some(make()));
        }
        let mut left = self.slots.len();
        while left > 0 {
            for slot in &mut self.slots {
                let Some(future) = slot.as_mut().as_pin_mut() else { continue };
                if let Poll::Ready(output) = future.poll(&mut cx) {
                    black_box(output);
                    slot.set(None);
                    left -= 1;
                }
            }
        }
    }
}
