//! What a layer says about its fibers: their stacks, the effect of a cancel, and what they must not hold across a wait.

use std::{fmt, time::Duration};

/// The settings of the stacks that a layer's fibers run on, and of what suspends there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stacks {
    /// Usable bytes of each stack.
    pub(crate) size: usize,
    pub(crate) hygiene: bool,
    /// How many fibers may exist at once.
    pub(crate) max_fibers: Option<usize>,
    /// Whether libc's blocking calls suspend the fibers.
    #[cfg(feature = "interpose")]
    pub(crate) interposes: bool,
}

/// The effect of a cancel on a layer's fibers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropPolicy {
    /// Infallible waits unwind. If not set, they go on and only fallible waits fail.
    pub(crate) unwinds: bool,
    /// Cancelling a fiber also cancels the fibers of this layer inside it.
    pub(crate) follows: bool,
    /// How long a fiber may go on before it is cancelled.
    pub(crate) grace: Duration,
}

/// Checks whether the code on this stack holds something that it must not hold across a wait.
pub(crate) struct Bar(Box<dyn Fn() -> bool + Send + Sync>);

impl Bar {
    pub(crate) fn new(is_held: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(is_held))
    }

    #[cold]
    pub(super) fn is_held(&self) -> bool {
        self.0()
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bar").finish_non_exhaustive()
    }
}
