//! Finds out whether a tokio task-local is borrowed, without a value for it.

use std::{
    cell::RefCell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::task::{LocalKey, futures::TaskLocalFuture};

use crate::util::drop_quietly::drop_quietly;

/// A scope whose value was taken out. Polling it takes the thread's value off and puts it back.
trait Probe {
    fn is_refused(&mut self) -> bool;
}

impl<T: 'static, F: Future<Output = ()>> Probe for Pin<Box<TaskLocalFuture<T, F>>> {
    fn is_refused(&mut self) -> bool {
        // tokio tells that only by panicking.
        let polled = catch_unwind(AssertUnwindSafe(|| self.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        let is_refused = polled.is_err();
        drop_quietly(polled);
        is_refused
    }
}

/// The address of a key, and its probe unless the probe is in use.
type Place = (usize, Option<Box<dyn Probe>>);

thread_local! {
    /// The probes of the keys that were carried on this thread.
    static PROBES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// Makes the probe of a key on this thread, when its first value comes. Returns the value.
pub(super) fn prepare<T: 'static>(key: &'static LocalKey<T>, address: usize, value: T) -> T {
    let is_there = PROBES.try_with(|probes| probes.borrow().iter().any(|(other, _)| *other == address));
    // A thread that is ending has no probes any more.
    if is_there.unwrap_or(true) { value } else { make(key, address, value) }
}

#[cold]
fn make<T: 'static>(key: &'static LocalKey<T>, address: usize, value: T) -> T {
    // The future is never ready, so that the scope can be polled again.
    let mut probe = Box::pin(key.scope(value, poll_fn(|_| Poll::<()>::Pending)));
    let value = probe.as_mut().take_value().expect("it was put in just now");
    _ = PROBES.try_with(|probes| probes.borrow_mut().push((address, Some(Box::new(probe)))));
    value
}

/// Whether code on this thread borrows the value that is set for this key.
pub(super) fn is_borrowed(address: usize) -> bool {
    // Taken out of its place, because the panic may run foreign code.
    let Some(mut probe) = in_place(address, Option::take) else { return true };
    let is_borrowed = probe.is_refused();
    in_place(address, |place| place.replace(probe));
    is_borrowed
}

fn in_place<R>(address: usize, f: impl FnOnce(&mut Option<Box<dyn Probe>>) -> Option<R>) -> Option<R> {
    let place = |probes: &mut Vec<Place>| f(&mut probes.iter_mut().find(|(other, _)| *other == address)?.1);
    PROBES.try_with(|probes| place(&mut probes.borrow_mut())).ok().flatten()
}
