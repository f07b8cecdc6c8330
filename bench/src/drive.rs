//! Polling by hand, so that no scheduler is measured.

use std::{
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// With a waker that the compiler does not know, or it works waits out beforehand.
fn context() -> Context<'static> {
    Context::from_waker(black_box(Waker::noop()))
}

/// Polls one future until it is ready.
#[inline]
pub fn one<F: Future>(future: F) -> F::Output {
    let mut cx = context();
    let mut future = pin!(future);
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
