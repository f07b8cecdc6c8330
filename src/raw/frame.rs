//! What passes between a poll and the fiber: pointers and signals in, a reply out.

#[cfg(debug_assertions)]
use std::any::TypeId;
use std::{
    cell::Cell,
    ops::{BitOr, BitOrAssign},
    ptr::NonNull,
    task::Waker,
};

use super::{State, header::Header, shared::DropPolicy};

/// What one poll passes to the fiber: see the module's chapter.
pub(super) struct Frame {
    pub(super) waker: NonNull<Waker>,
    /// The owner's `Slot<J>` (invariant 6).
    pub(super) slot: NonNull<()>,
    /// The poller's `Ending<J>` (invariant 6).
    pub(super) ending: NonNull<()>,
    /// The owner's.
    pub(super) header: NonNull<Header>,
    /// The fiber on whose stack the poller runs.
    pub(super) outer: Option<NonNull<State>>,
    pub(super) caller: Option<NonNull<dyn Caller>>,
    pub(super) signals: Signals,
    /// The poller's thread is panicking, so that the fiber cannot find out whether it does itself.
    pub(super) panicking: bool,
    pub(super) reply: Reply,
    /// Of the job whose slot and ending these are.
    #[cfg(debug_assertions)]
    pub(super) job: TypeId,
}

pub(super) type FramePtr = NonNull<Frame>;

/// What awaits a fiber from another thread, and may go while it runs.
pub(crate) trait Caller: 'static {
    fn is_gone(&self) -> bool;
}

/// What a fiber tells its owner during a poll. Most often nothing.
#[derive(Default)]
pub(super) struct Reply(Cell<u8>);

impl Reply {
    /// It has suspended inside a shield.
    pub(super) const SHIELDED: u8 = 1;
    /// It has been unwound too often and is not to be resumed.
    pub(super) const GIVEN_UP: u8 = 2;

    #[inline]
    pub(super) fn add(&self, reply: u8) {
        self.0.set(self.0.get() | reply);
    }

    #[inline]
    pub(super) fn has(&self, reply: u8) -> bool {
        self.0.get() & reply != 0
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get() == 0
    }
}

/// What a fiber has been told. Orders are never taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Signals(u8);

impl Signals {
    pub(super) const NONE: Self = Self(0);
    /// Fallible waits fail.
    const CANCELLED: Self = Self(1);
    /// Infallible waits unwind.
    const UNWINDING: Self = Self(2);
    pub(super) const CALLER_GONE: Self = Self(4);
    /// Say where you are. For one resume.
    pub(super) const REPORT: Self = Self(8);

    pub(super) fn cancel(unwinds: bool) -> Self {
        if unwinds { Self(Self::CANCELLED.0 | Self::UNWINDING.0) } else { Self::CANCELLED }
    }

    #[inline]
    fn has(self, order: Self) -> bool {
        self.0 & order.0 != 0
    }

    #[inline]
    pub(super) fn is_cancelled(self) -> bool {
        self.has(Self::CANCELLED)
    }

    #[inline]
    pub(super) fn is_unwinding(self) -> bool {
        self.has(Self::UNWINDING)
    }

    pub(super) fn is_caller_gone(self) -> bool {
        self.has(Self::CALLER_GONE)
    }

    pub(super) fn wants_report(self) -> bool {
        self.has(Self::REPORT)
    }

    /// Those that stay in force.
    pub(super) fn lasting(self) -> Self {
        Self(self.0 & !Self::REPORT.0)
    }

    /// Those that can be put off by a shield.
    pub(super) fn shielded(self) -> Self {
        Self(self.0 & Self::CALLER_GONE.0)
    }

    /// What these signals of a fiber mean for one inside it.
    pub(super) fn for_nested(self, drop_policy: DropPolicy) -> Self {
        let mut heard = Self::CALLER_GONE.0;
        if drop_policy.follows {
            heard |= Self::CANCELLED.0;
            if drop_policy.unwinds {
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
