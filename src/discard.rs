//! Dropping values that nobody will take.

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Drops what nobody will take. A destructor that panics harms nothing but itself.
pub(crate) fn discard<T>(value: T) {
    let mut payload = match catch_unwind(AssertUnwindSafe(|| drop(value))) {
        Ok(()) => return,
        Err(payload) => payload,
    };
    // The payload of that panic may panic in turn when it is dropped. Give up after a few.
    for _ in 0..8 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    let _leaked = ManuallyDrop::new(payload);
}
