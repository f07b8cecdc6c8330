//! corosensei alone, with stacks that are used again: the least that a stackful call can cost.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bench::work::{Depth, Payload, Waits, call};
use corosensei::{Coroutine, CoroutineResult, stack::DefaultStack};

use crate::waiters::Corosensei;

#[derive(Clone, Default)]
pub(crate) struct Stacks(Rc<RefCell<Vec<DefaultStack>>>);

/// A coroutine as a future: one resume a poll.
pub(crate) struct RawCall<P: Payload> {
    coroutine: Option<Coroutine<(), (), P::Response>>,
    stacks: Stacks,
}

impl<P: Payload> RawCall<P> {
    #[inline]
    pub(crate) fn new<W: Waits, D: Depth>(stacks: &Stacks, request: P::Request) -> Self {
        let stack = stacks.0.borrow_mut().pop().unwrap_or_else(|| DefaultStack::new(64 * 1024).expect("a stack"));
        let coroutine = Coroutine::with_stack(stack, move |yielder, ()| call::<W, D, P>(Corosensei(yielder), request));
        Self { coroutine: Some(coroutine), stacks: stacks.clone() }
    }
}

impl<P: Payload> Unpin for RawCall<P> {}

impl<P: Payload> Future for RawCall<P> {
    type Output = P::Response;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<P::Response> {
        let coroutine = self.coroutine.as_mut().expect("not polled after its end");
        let CoroutineResult::Return(response) = coroutine.resume(()) else { return Poll::Pending };
        let stack = self.coroutine.take().map(Coroutine::into_stack);
        self.stacks.0.borrow_mut().extend(stack);
        Poll::Ready(response)
    }
}
