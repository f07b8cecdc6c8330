//! The identities of fibers and layers.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::raw::Home;

/// Identifies a fiber in this process, for logs and keys; [`fiber_id`](crate::fiber_id) returns that of the running
/// fiber. It is never reused.
///
/// `Display` shows the number of the fiber's thread, and that of the fiber on this thread: `2-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiberId(NonZeroU64);

impl FiberId {
    /// The id with this number, as another thread has read it.
    #[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
    pub(crate) fn of_number(number: NonZeroU64) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> NonZeroU64 {
        self.0
    }

    /// The id that `Display` shows as this text.
    #[cfg(feature = "insight")]
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let (thread, fiber) = text.split_once('-')?;
        let id = Self(Home::id_of_parts(thread.parse().ok()?, fiber.parse().ok()?)?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, fiber) = Home::parts_of_id(self.0);
        write!(f, "{thread}-{fiber}")
    }
}

/// Identifies a layer where holding its data would cost each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LayerId(u64);

impl LayerId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

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
    FiberId(NonZeroU64::new(id).expect("ids begin above zero"))
}
