//! What a layer is set to; shared by all its services.

use std::sync::{Arc, OnceLock};

use crate::{pool::FiberPool, raw::Meta};

/// What becomes of a fiber whose response future is dropped while synchronous code waits in it: the client has gone, a
/// time-out has elapsed, a `select!` was won by another branch.
///
/// An async service behind the layer that is pending with no synchronous frame below it is simply dropped under every policy, as
/// without the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDrop {
    /// The fiber runs to its end in the background, as a thread would: no call is cut short. The default.
    #[default]
    Finish,
    /// The present and all later fallible waits fail with
    /// [`Cancelled`](crate::error::TryAwaitError::Cancelled); infallible waits go on. Nothing unwinds.
    Cancel,
    /// As `Cancel`, and the infallible wait unwinds with the payload [`Cancelled`](crate::error::Cancelled).
    ///
    /// Only for code that is written for it: half-done updates stay half-done, a `std::sync::Mutex` held over
    /// the wait is poisoned, and a C frame on the stack or an infallible wait in a destructor ends the process. A
    /// fiber that catches the unwinding and waits again is unwound again, 64 times, and then leaked and counted. With
    /// `panic = "abort"` this acts as `Cancel`.
    Unwind,
}

/// Where fibers run.
#[derive(Clone, Debug, Default)]
pub(crate) enum Placement {
    /// In place on current-thread runtimes, on the shared pool on multi-thread ones.
    #[default]
    Auto,
    /// Always on this pool, or on the process-wide one.
    Pool(Option<FiberPool>),
    /// Always on the calling thread.
    InPlace,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) meta: Arc<Meta>,
    pub(crate) placement: Placement,
    pub(crate) on_drop: OnDrop,
}

/// Usable bytes of a fiber's stack: as much as a std thread has. Only touched pages take memory.
pub(crate) const STACK_SIZE: usize = 2 * 1024 * 1024;

impl Settings {
    pub(crate) fn new(meta: Meta, placement: Placement, on_drop: OnDrop) -> Arc<Self> {
        Arc::new(Self { meta: Arc::new(meta), placement, on_drop })
    }

    /// Those of `run_in_fiber` and `run_local`.
    pub(crate) fn process_wide() -> &'static Arc<Self> {
        static SETTINGS: OnceLock<Arc<Settings>> = OnceLock::new();
        SETTINGS.get_or_init(|| Self::new(Meta::new(None, STACK_SIZE), Placement::Auto, OnDrop::Finish))
    }
}
