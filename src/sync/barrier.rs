//! [`Barrier`].

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::pin,
    sync::Mutex,
};

use tokio::sync::Notify;

use super::wait::wait;
use crate::{util::lock::lock, wait::note_ready};

/// A `std::sync::Barrier` for fibers and threads.
///
/// The [module](super) says where it waits.
///
/// # Examples
///
/// ```
/// use tower_fiber::{join, run_in_fiber, sync::Barrier};
///
/// static BOTH: Barrier = Barrier::new(2);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (first, second) = run_in_fiber(|| join(|| BOTH.wait(), || BOTH.wait())).await;
/// assert!(first.is_leader() != second.is_leader());
/// # }
/// ```
pub struct Barrier {
    size: usize,
    /// Never locked over a wait, nor while other code runs.
    state: Mutex<BarrierState>,
    opened: Notify,
}

struct BarrierState {
    waiting: usize,
    /// How often the barrier has opened.
    openings: u64,
}

impl Barrier {
    /// Makes a barrier that opens whenever `n` fibers or threads wait for it. With zero it is always open, as with one.
    #[must_use]
    pub const fn new(n: usize) -> Self {
        Self { size: n, state: Mutex::new(BarrierState { waiting: 0, openings: 0 }), opened: Notify::const_new() }
    }

    /// Waits until `n` have called this. Then the barrier is closed again, for the next `n`. One of them, the last, is
    /// told that it is the leader.
    ///
    /// # Cancel safety
    ///
    /// See the [module](super#cancel-safety). A wait that unwinds no longer counts.
    ///
    /// # Panics
    ///
    /// If the code would have to wait and cannot; see the [module](super#where-they-wait). The call does not count
    /// then.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let mut state = lock(&self.state);
        if state.waiting + 1 >= self.size {
            state.waiting = 0;
            state.openings += 1;
            drop(state);
            self.opened.notify_waiters();
            note_ready();
            return BarrierWaitResult { is_leader: true };
        }
        state.waiting += 1;
        let place = Place { barrier: self, openings: state.openings };
        drop(state);
        loop {
            let mut opened = pin!(self.opened.notified());
            // In line from here on, so that an opening after the look is not missed.
            opened.as_mut().enable();
            if place.is_open() {
                break;
            }
            wait(opened);
        }
        BarrierWaitResult { is_leader: false }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

/// A waiter, counted until the barrier opens or it gives up.
struct Place<'a> {
    barrier: &'a Barrier,
    /// As of its arrival.
    openings: u64,
}

impl Place<'_> {
    fn is_open(&self) -> bool {
        lock(&self.barrier.state).openings != self.openings
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.barrier.state);
        if state.openings == self.openings {
            state.waiting -= 1;
        }
    }
}

/// What [`Barrier::wait`] returns.
#[derive(Debug)]
pub struct BarrierWaitResult {
    is_leader: bool,
}

impl BarrierWaitResult {
    /// Whether this call has opened the barrier; it is so for exactly one of those that it has let go.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}
