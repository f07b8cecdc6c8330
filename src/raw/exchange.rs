//! What a poll and the fiber tell each other: signals and marks in, a reply out.

use std::{
    cell::Cell,
    ops::{BitOr, BitOrAssign},
    panic::Location,
};

/// A caller that awaits the fiber from another thread, and may go while the fiber runs.
pub(crate) trait Caller: 'static {
    fn is_gone(&self) -> bool;
}

/// Facts that the poller passes on to the fiber.
#[derive(Clone, Copy)]
pub(super) struct PollerMarks(u8);

/// When the owner must be asked, as set by the poll that begins the fiber. The bits are those of the state's flags.
#[derive(Clone, Copy)]
pub(crate) struct Asks(u8);

impl Asks {
    pub(crate) const NOTHING: Self = Self(0);
    /// Before a suspend, whether something bars it.
    pub(super) const BEFORE_SUSPEND: u8 = 128;
    /// At the end, whether something is left to run.
    pub(super) const AT_END: u8 = 16;

    #[inline]
    pub(crate) fn new(before_suspend: bool, at_end: bool) -> Self {
        let before_suspend = if before_suspend { Self::BEFORE_SUSPEND } else { 0 };
        Self(before_suspend | if at_end { Self::AT_END } else { 0 })
    }
}

impl PollerMarks {
    const PANICKING: u8 = 1;

    #[inline]
    pub(super) fn new(is_panicking: bool, asks: Asks) -> Self {
        Self(asks.0 | if is_panicking { Self::PANICKING } else { 0 })
    }

    /// The poller's thread is panicking, so the fiber cannot find out whether it is panicking itself.
    #[inline]
    pub(super) fn is_panicking(self) -> bool {
        self.0 & Self::PANICKING != 0
    }

    /// The state's first flags.
    #[inline]
    pub(super) fn flags(self) -> u8 {
        self.0 & !Self::PANICKING
    }
}

/// What a fiber tells its owner during a poll; usually nothing.
#[derive(Default)]
pub(crate) struct Reply(Cell<u8>);

/// The place in the code that called a wait.
pub(crate) type At = &'static Location<'static>;

/// Where a fiber waits.
pub(super) type WaitsAt = Cell<Option<At>>;

impl Reply {
    /// The fiber has suspended inside a shield.
    pub(crate) const SHIELDED: u8 = 1;
    /// The fiber has been unwound too often and must not be resumed.
    pub(crate) const GIVEN_UP: u8 = 2;

    #[inline]
    pub(super) fn mark(&self, mark: u8) {
        self.0.set(self.0.get() | mark);
    }

    #[inline]
    pub(crate) fn has(&self, mark: u8) -> bool {
        self.0.get() & mark != 0
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get() == 0
    }
}

/// What a fiber has been told. Signals are never withdrawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signals(u8);

impl Signals {
    pub(crate) const NONE: Self = Self(0);
    /// Fallible waits fail.
    const CANCELLED: Self = Self(1);
    /// Infallible waits unwind.
    const UNWINDING: Self = Self(2);
    pub(crate) const CALLER_GONE: Self = Self(4);
    /// Asks the fiber to report where it is. Holds for one resume.
    pub(crate) const REPORT: Self = Self(8);

    pub(crate) fn cancel(unwinds: bool) -> Self {
        if unwinds { Self(Self::CANCELLED.0 | Self::UNWINDING.0) } else { Self::CANCELLED }
    }

    #[inline]
    fn has(self, signal: Self) -> bool {
        self.0 & signal.0 != 0
    }

    #[inline]
    pub(crate) fn is_cancelled(self) -> bool {
        self.has(Self::CANCELLED)
    }

    #[inline]
    pub(super) fn is_unwinding(self) -> bool {
        self.has(Self::UNWINDING)
    }

    pub(crate) fn is_caller_gone(self) -> bool {
        self.has(Self::CALLER_GONE)
    }

    pub(super) fn wants_report(self) -> bool {
        self.has(Self::REPORT)
    }

    /// The signals that stay in force.
    pub(super) fn lasting(self) -> Self {
        Self(self.0 & !Self::REPORT.0)
    }

    /// The signals that a shield lets through.
    pub(super) fn shielded(self) -> Self {
        Self(self.0 & Self::CALLER_GONE.0)
    }

    /// What a fiber's signals mean for a fiber inside it, depending on whether that one follows a cancel and unwinds by
    /// it.
    pub(crate) fn for_nested(self, follows: bool, unwinds: bool) -> Self {
        let mut heard = Self::CALLER_GONE.0;
        if follows {
            heard |= Self::CANCELLED.0;
            if unwinds {
                heard |= Self::UNWINDING.0;
            }
        }
        Self(self.0 & heard)
    }
}

impl BitOr for Signals {
    type Output = Self;

    #[inline]
    fn bitor(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }
}

impl BitOrAssign for Signals {
    #[inline]
    fn bitor_assign(&mut self, more: Self) {
        *self = *self | more;
    }
}
