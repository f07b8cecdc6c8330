//! What passes between a poll and the fiber: pointers and orders in, reports out.

use std::{
    cell::{Cell, OnceCell},
    ops::{BitOrAssign, Range},
    ptr::NonNull,
    task::Waker,
};

use tokio::sync::watch;

use super::{Meta, State, meta::Conduct, roll::FiberId};

/// What one poll passes to the fiber: see the module's chapter.
pub(super) struct Frame {
    pub(super) waker: NonNull<Waker>,
    /// The owner's `Slot<J>` (invariant 6).
    pub(super) slot: NonNull<()>,
    pub(super) meta: NonNull<Meta>,
    pub(super) label: &'static str,
    pub(super) id: FiberId,
    /// The addresses that code on the fiber's stack may use.
    pub(super) usable: Range<usize>,
    /// The fiber on whose stack the poller runs.
    pub(super) outer: Option<NonNull<State>>,
    pub(super) orders: Orders,
    /// The poller's thread is panicking, so that the fiber cannot find out whether it does itself.
    pub(super) panicking: bool,
    pub(super) caller: Option<NonNull<dyn Caller>>,
    /// The owner's, since a parked root that waits for it has no `State`.
    pub(super) gone: NonNull<Gone>,
    /// Where the fiber tells its owner how it suspended.
    pub(super) report: Cell<Report>,
    /// Where a nested fiber notes that it waits inside this one.
    pub(super) nested: Cell<bool>,
}

pub(super) type FramePtr = NonNull<Frame>;

/// Made when somebody wants to be told that the caller has gone. Closed when the fiber ends.
pub(super) type Gone = OnceCell<watch::Sender<bool>>;

/// Whoever awaits a fiber from another thread, and may go while it runs.
pub(crate) trait Caller: 'static {
    fn is_gone(&self) -> bool;
}

/// How a fiber suspended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    Plain,
    /// Inside a shield, or around a fiber inside one.
    Shielded,
    /// Unwound too often: it is not to be resumed.
    GivenUp,
}

/// What a fiber has been told. Orders are never taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders(u8);

impl Orders {
    pub(super) const NONE: Self = Self(0);
    /// Fallible waits fail.
    const CANCELLED: Self = Self(1);
    /// Infallible waits unwind.
    const UNWINDING: Self = Self(2);
    pub(super) const CALLER_GONE: Self = Self(4);

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

    /// Those that can be put off by a shield.
    pub(super) fn shielded(self) -> Self {
        Self(self.0 & Self::CALLER_GONE.0)
    }

    /// What these orders of a fiber mean for one inside it.
    pub(super) fn for_nested(self, conduct: Conduct) -> Self {
        let mut heard = Self::CALLER_GONE.0;
        if conduct.follows {
            heard |= Self::CANCELLED.0;
            if conduct.unwinds {
                heard |= Self::UNWINDING.0;
            }
        }
        Self(self.0 & heard)
    }
}

impl BitOrAssign for Orders {
    #[inline]
    fn bitor_assign(&mut self, more: Self) {
        self.0 |= more.0;
    }
}

/// What a fiber tells one that is polled inside it.
pub(super) struct Surroundings {
    pub(super) state: NonNull<State>,
    pub(super) id: FiberId,
    pub(super) orders: Orders,
    pub(super) caller: Option<NonNull<dyn Caller>>,
}
