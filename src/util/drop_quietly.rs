//! Dropping values without letting their panics out.

use std::{
    any::Any,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

/// Drops a value; a panic of its destructor is discarded.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard_payload(payload);
    }
}

#[cold]
fn discard_payload(mut payload: Box<dyn Any + Send>) {
    // The panic's payload may itself panic when it is dropped, and so may the next. Give up after a few.
    for _ in 0..8 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    let _leaked = ManuallyDrop::new(payload);
}

/// Runs several pieces of foreign code, each to its end. The first panic is resumed afterwards; later ones are
/// discarded.
#[derive(Default)]
pub(crate) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Runs `f` and catches its panic.
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.keep(payload);
        }
    }

    /// Keeps a caught payload if it is the first.
    pub(crate) fn keep(&mut self, payload: Box<dyn Any + Send>) {
        match &self.0 {
            None => self.0 = Some(payload),
            Some(_) => drop_quietly(payload),
        }
    }

    pub(crate) fn into_payload(self) -> Option<Box<dyn Any + Send>> {
        self.0
    }

    /// Resumes the first panic. While the thread is already panicking it is discarded instead, since this may run in a
    /// destructor.
    pub(crate) fn finish(self) {
        match self.0 {
            Some(payload) if thread::panicking() => drop_quietly(payload),
            Some(payload) => resume_unwind(payload),
            None => {}
        }
    }
}
