//! How many fibers of one layer there may be at once, and in what order calls get their permits.
//!
//! A permit belongs to a fiber that has a stack. A *reservation* is what readiness has of one: it keeps new calls away,
//! but never a call that is under way, for which others may wait. So permits are only ever in the hands of fibers, and
//! fibers end.

mod line;
mod place;

use std::{
    mem::ManuallyDrop,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use self::line::Line;
pub(super) use self::{line::Rank, place::Place};
use super::Shared;
use crate::util::lock::lock;

#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) max: usize,
    line: Mutex<Line>,
    /// Whether calls have had to wait since one last had not.
    is_reached: AtomicBool,
}

impl Limit {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, line: Mutex::default(), is_reached: AtomicBool::new(false) }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }

    /// Gives something back.
    fn change<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        let mut line = self.line();
        let result = f(&mut line);
        if !line.asleep.is_empty() {
            let wakers = line.wakers(self.max, true);
            drop(line);
            wakers.wake();
        }
        result
    }

    /// A new call found room, or not.
    fn note(&self, has_room: bool, name: &str) {
        if self.is_reached.load(Ordering::Relaxed) != has_room {
            return;
        }
        self.is_reached.store(!has_room, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !has_room {
            tracing::warn!(
                service = name,
                max_fibers = self.max,
                "the limit is reached, and calls wait until a fiber has ended: raise `max_fibers`, or refuse calls by LoadShed \
                 directly outside of the layer"
            );
        }
        #[cfg(not(feature = "tracing"))]
        let _ = name;
    }
}

fn limit_of(shared: &Shared) -> &Limit {
    shared.limit.as_ref().expect("only layers with a limit have places")
}

/// What one fiber has of the limit while it has a stack.
pub(in crate::fiber) struct Permit(Arc<Shared>);

impl Permit {
    /// For a call that goes on outside of the fiber that made it.
    pub(in crate::fiber) fn beyond_limit(shared: Arc<Shared>) -> Self {
        limit_of(&shared).line().used += 1;
        Self(shared)
    }

    /// For a fiber that is leaked.
    pub(in crate::fiber) fn keep(self) {
        let _kept = ManuallyDrop::new(self);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        limit_of(&self.0).change(|line| line.used -= 1);
    }
}
