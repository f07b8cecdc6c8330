//! What both programs that count have: the bound of a count, and the future that calls wait for.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig};

/// What was counted, plus 2 %.
#[must_use]
pub fn at_most(counted: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, counted + counted / 50)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// A future that is pending once. It wakes nobody, which would count tokio's instructions: who polls by hand polls
/// again.
#[inline]
pub fn suspend() -> impl Future<Output = ()> + Send + Unpin {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
    })
}
