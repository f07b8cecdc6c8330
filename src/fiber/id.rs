//! Fiber numbers.

use std::{cell::Cell, num::NonZeroU64};

use crate::raw::Home;

/// A number that identifies a fiber; never reused.
pub(crate) type FiberId = NonZeroU64;

thread_local! {
    // Constant and without a destructor: usable at any time, even while the thread is ending.
    static IDS: Cell<u64> = const { Cell::new(0) };
}

/// Returns the thread's next fiber number. At home only.
#[inline]
pub(super) fn next_id(home: Home) -> FiberId {
    // Each thread numbers from a range of its own, since later threads reuse registries.
    let id = home.first_id().max(IDS.get() + 1);
    IDS.set(id);
    NonZeroU64::new(id).expect("ids begin above zero")
}
