//! How each peer's synchronous code waits.

use std::hint::black_box;

use bench::work::{Waiter, ready_future, suspend};
use corosensei::Yielder;
use tokio::runtime::Handle;
use tower_fiber::await_in_fiber;

/// For code that does not wait.
#[derive(Clone, Copy)]
pub(crate) struct Never;

impl Waiter for Never {
    fn ready(self) {
        unreachable!("this case has no wait");
    }

    fn suspend(self) {
        unreachable!("this case has no wait");
    }
}

#[derive(Clone, Copy)]
pub(crate) struct InFiber;

impl Waiter for InFiber {
    #[inline]
    fn ready(self) {
        black_box(await_in_fiber(ready_future()));
    }

    #[inline]
    fn suspend(self) {
        await_in_fiber(suspend());
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Stackful;

impl Waiter for Stackful {
    #[inline]
    fn ready(self) {
        black_box(stackful::wait(ready_future()));
    }

    #[inline]
    fn suspend(self) {
        stackful::wait(suspend());
    }
}

/// Knows no futures: its ready wait is nothing at all.
#[derive(Clone, Copy)]
pub(crate) struct Corosensei<'a>(pub(crate) &'a Yielder<(), ()>);

impl Waiter for Corosensei<'_> {
    #[inline]
    fn ready(self) {}

    #[inline]
    fn suspend(self) {
        self.0.suspend(());
    }
}

/// Blocks its thread.
#[derive(Clone, Copy)]
pub(crate) struct BlockOn<'a>(pub(crate) &'a Handle);

impl Waiter for BlockOn<'_> {
    #[inline]
    fn ready(self) {
        black_box(self.0.block_on(ready_future()));
    }

    #[inline]
    fn suspend(self) {
        self.0.block_on(suspend());
    }
}

/// Knows no futures: its ready wait is nothing at all.
#[derive(Clone, Copy)]
pub(crate) struct May;

impl Waiter for May {
    #[inline]
    fn ready(self) {}

    #[inline]
    fn suspend(self) {
        may::coroutine::yield_now();
    }
}
