//! Task-locals of tokio's that follow a call into its fiber.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::task::LocalKey;

use super::attendant::Attendant;

/// A task-local that a layer carries.
pub(super) trait CarriedKey: Send + Sync {
    /// For a call that is being made here.
    fn attend(self: Arc<Self>) -> Box<dyn Attendant>;

    /// Whether code on this stack has borrowed it, so that it cannot be taken off the thread.
    fn is_borrowed(&self) -> bool;
}

impl<T: Clone + Send + 'static> CarriedKey for &'static LocalKey<T> {
    fn attend(self: Arc<Self>) -> Box<dyn Attendant> {
        Box::new(Carried { key: *self, value: current(*self) })
    }

    fn is_borrowed(&self) -> bool {
        let Some(value) = current(self) else { return false };
        // tokio says so only by panicking.
        catch_unwind(AssertUnwindSafe(|| self.sync_scope(value, || ()))).is_err()
    }
}

fn current<T: Clone>(key: &'static LocalKey<T>) -> Option<T> {
    key.try_with(T::clone).ok()
}

/// The value of one fiber.
struct Carried<T: 'static> {
    key: &'static LocalKey<T>,
    /// `None` if the caller had none, and while the fiber runs.
    value: Option<T>,
}

impl<T: Clone + Send + 'static> Attendant for Carried<T> {
    fn begin(&mut self) {
        self.value = current(self.key).or_else(|| self.value.take());
    }

    fn around(&mut self, run: &mut dyn FnMut()) {
        let Some(value) = self.value.take() else { return run() };
        // Not `sync_scope`, which drops the value: the fiber may have changed what is in it.
        let mut scope = pin!(self.key.scope(
            value,
            poll_fn(|_| {
                run();
                Poll::Ready(())
            })
        ));
        let poll = scope.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        debug_assert!(poll.is_ready());
        self.value = scope.take_value();
    }
}
