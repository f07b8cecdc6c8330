//! The events that a layer counts.

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A call was placed.
    Begun,
    /// The last part of a call has been dropped.
    Ended,
    /// A fiber has taken a stack.
    Started,
    /// A fiber has returned its stack.
    Stopped,
    /// A fiber or future was leaked.
    Leaked,
    /// A leaked fiber holds a stack, or one that had been counted as leaked takes a stack.
    LeakedLive,
    /// A fiber that had been counted as `LeakedLive` has returned its stack after all.
    Revived,
    Cancelled,
    /// A fiber goes on although its response future was dropped.
    HandedOver,
    /// A fiber has learned that its caller, or that of a fiber around it, has gone.
    Abandoned,
    /// A call that was counted as `Abandoned` has ended.
    AbandonedEnded,
    RefusedWait,
    /// A libc call suspends its fiber.
    #[cfg(feature = "interpose")]
    Interposed,
    /// A fiber ran for longer than its layer allows.
    Blocked,
}
