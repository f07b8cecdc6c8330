//! What is counted of a layer.

/// One thing that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A call was placed.
    Begun,
    /// The last of a call is gone.
    Ended,
    /// A fiber has taken a stack.
    Started,
    /// A fiber has returned its stack.
    Stopped,
    /// A fiber or future was leaked.
    Leaked,
    /// One with a stack, or one that takes a stack although it had been counted as leaked.
    LeakedLive,
    /// One that had been counted so has returned its stack all the same.
    Revived,
    Cancelled,
    HandedOver,
    RefusedWait,
    /// A fiber ran for longer than its layer allows.
    Blocked,
}
