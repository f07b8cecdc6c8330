//! Dropping fibers that have not ended or still hold something.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::Fiber;
use crate::{
    raw::{Job, Slot, let_go},
    util::drop_quietly::{FirstPanic, drop_quietly},
};

impl<J: Job> Fiber<J> {
    /// Drops the state that most fibers lack when they are dropped. Each part is given back or leaked even if another
    /// part panics.
    #[cold]
    pub(super) fn drop_rest(&mut self) {
        let mut panics = FirstPanic::default();
        let (is_home, was_live) = (self.is_home(), self.coroutine.is_suspended());
        self.coroutine.forget();
        let mut rare = self.header.take_rare();
        let has_nested = rare.as_ref().is_some_and(|rare| rare.nest.get().is_some());
        let root = match self.coroutine.take_slot() {
            Slot::Parked(root) => Some(root),
            fresh => {
                panics.run(|| drop(fresh));
                None
            }
        };
        // A value in `AtHome` is forgotten unless it is taken: by invariant 2 that is sound.
        if was_live {
            self.leak("a suspended fiber", has_nested);
        } else if is_home {
            // Dropped before the locals, as frames are.
            root.into_iter().for_each(|root| panics.run(|| drop(root.take())));
            let locals = rare.as_mut().and_then(|rare| rare.locals.take());
            locals.into_iter().for_each(|locals| panics.run(|| drop(locals.take())));
        } else if root.is_some() {
            self.leak("a parked future", has_nested);
        }
        // After the leak was counted, since both drops wake tasks.
        let_go(rare);
        let_go(mem::take(&mut *self.admission));
        panics.finish();
    }

    /// Counts a fiber or root that is never touched again.
    #[cold]
    fn leak(&mut self, what: &str, has_nested: bool) {
        // This usually runs in a `Drop`, which must not panic because a tracing subscriber does: in a thread that is
        // ending, the subscriber's thread-locals may be gone.
        drop_quietly(catch_unwind(AssertUnwindSafe(|| report_leak(self.name(), what))));
        self.header.call_guard.leak(has_nested);
    }
}

fn report_leak(service: &str, what: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(service, "leaked {what}: it was dropped where it cannot be ended [TF30]");
    #[cfg(not(feature = "tracing"))]
    let _ = (service, what);
}
