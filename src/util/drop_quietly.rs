//! Dropping values that nobody will take.

use std::{
    any::Any,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

/// Drops what nobody will take. A destructor that panics harms nothing but itself.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard_payload(payload);
    }
}

#[cold]
fn discard_payload(mut payload: Box<dyn Any + Send>) {
    // The payload of that panic may panic in turn when it is dropped. Give up after a few.
    for _ in 0..8 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    let _leaked = ManuallyDrop::new(payload);
}

/// Runs several pieces of foreign code, each to its end: the first panic among them goes on afterwards, the others
/// are discarded.
#[derive(Default)]
pub(crate) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Runs `f` and catches its panic.
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.keep(payload);
        }
    }

    /// Keeps a payload that was caught, if it is the first.
    pub(crate) fn keep(&mut self, payload: Box<dyn Any + Send>) {
        match &self.0 {
            None => self.0 = Some(payload),
            Some(_) => drop_quietly(payload),
        }
    }

    pub(crate) fn into_payload(self) -> Option<Box<dyn Any + Send>> {
        self.0
    }

    /// Lets the first panic go on. While the thread is panicking it is discarded instead: this may run in a destructor.
    pub(crate) fn finish(self) {
        match self.0 {
            Some(payload) if thread::panicking() => drop_quietly(payload),
            Some(payload) => resume_unwind(payload),
            None => {}
        }
    }
}
