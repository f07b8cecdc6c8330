//! Tracks what a fiber adds to its layer's counters and holds of its limit, so that each is given back exactly once.

use std::{
    mem::{self, ManuallyDrop},
    sync::Arc,
    task::Waker,
};

use super::{
    Event, Shared, StateExt as _,
    counters::Own,
    id::FiberId,
    limit::Permit,
    nest::{Inside, WithNest as _},
    registry::{About, Registration},
};
use crate::raw::State;

/// Counts one call in its layer, from its placement until its last destructor has run. Dropping the guard gives back
/// whatever it still holds.
pub(super) struct CallGuard {
    pub(super) shared: Arc<Shared>,
    /// This and the permit are dropped by hand, since most calls have neither.
    registration: ManuallyDrop<Option<Registration>>,
    /// Held until the fiber has ended and returned its stack. A leaked fiber keeps it.
    pub(super) permit: ManuallyDrop<Option<Permit>>,
    /// The call has been placed and counted.
    open: bool,
    /// The fiber holds a stack.
    live: bool,
    /// The permit exceeds the limit.
    left_behind: bool,
    /// The call has been counted as cancelled.
    cancelled: bool,
    /// The fiber has been counted as leaked together with the fiber around it, although it still has an owner.
    written_off: bool,
}

impl CallGuard {
    #[inline]
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (open, live, left_behind, cancelled, written_off) = (false, false, false, false, false);
        let (registration, permit) = (ManuallyDrop::new(None), ManuallyDrop::new(None));
        Self { shared, registration, permit, open, live, left_behind, cancelled, written_off }
    }

    /// Whether a layer or handle may look the fiber up in the registry. If not, it registers only when fibers lie
    /// around or inside it.
    #[inline]
    pub(super) fn may_be_looked_up(&self) -> bool {
        self.registration.is_some() || self.shared.is_observed()
    }

    /// Counts the call; `false` if it was counted before. Here and below, a plain call passes its thread's `own`
    /// numbers, and has no registration during its first stretch.
    #[inline]
    pub(super) fn open(&mut self, own: Option<Own>) -> bool {
        let is_new = !mem::replace(&mut self.open, true);
        if is_new {
            self.shared.begin_call(own);
        }
        is_new
    }

    #[inline(always)]
    pub(super) fn begin(&mut self, own: Option<Own>) {
        self.live = true;
        self.shared.count_in(Event::Started, own);
        if own.is_none() && self.written_off {
            self.shared.count(Event::LeakedLive);
        }
    }

    #[inline]
    pub(super) fn registration(&self) -> Option<&Registration> {
        self.registration.as_ref()
    }

    /// Records in the registry, and with the fibers around it, that the fiber waits. `true` if the registry's entry is
    /// new or has changed.
    pub(super) fn wait(
        &mut self,
        fiber: FiberId,
        outer: Option<&State>,
        is_shielded: bool,
        about: About,
        waker: &Waker,
    ) -> bool {
        // If the outer fiber is leaked, its nest shows that fibers lie inside it.
        outer.into_iter().for_each(|outer| outer.with_nest(|_| ()));
        let finishes = !self.shared.drop_policy.follows;
        // A parked root is dropped as it would be without the layer: no cancel waits for it.
        let inside = outer.filter(|_| self.live).map(|outer| (outer, is_shielded));
        if let Some(registration) = &mut *self.registration {
            let was_inside = mem::take(&mut registration.nesting);
            registration.nesting = match (was_inside, inside) {
                (Some(was), Some((outer, is_shielded))) if was.is_of(outer, is_shielded) => Some(was),
                (was, inside) => {
                    // The new one is made before the former is dropped, which may be the last of a shield.
                    let is = inside.map(|(outer, is_shielded)| Inside::new(outer, is_shielded, finishes));
                    drop(was);
                    is
                }
            };
            let around = outer.map(State::id);
            if registration.is_current(around, self.live, waker) {
                registration.note_wait(about.waits_at);
                return false;
            }
            if registration.renew(around, self.live, about, waker) {
                return true;
            }
            self.leave_registry();
        }
        let nesting = inside.map(|(outer, is_shielded)| Inside::new(outer, is_shielded, finishes));
        let registration =
            Registration::take(fiber, outer.map(State::id), self.live, &self.shared, about, waker, nesting);
        self.registration = ManuallyDrop::new(Some(registration));
        true
    }

    /// The fiber goes on outside the fiber that it was in. If it had no permit there and `is_limited`, it gets one now,
    /// even beyond the limit. New fibers begin when the number of permits has fallen below the limit again.
    pub(super) fn come_out(&mut self, is_limited: bool) {
        if let Some(registration) = &mut *self.registration {
            registration.come_out();
        }
        if is_limited && self.live && self.permit.is_none() && self.shared.limit.is_some() {
            self.permit = ManuallyDrop::new(Some(Permit::beyond_limit(Arc::clone(&self.shared))));
            self.left_behind = true;
        }
    }

    pub(super) fn is_left_behind(&self) -> bool {
        self.left_behind
    }

    /// Called after the fiber has returned its stack.
    #[inline(always)]
    pub(super) fn end(&mut self, own: Option<Own>) {
        if self.registration.is_some() {
            self.leave_registry();
        }
        if mem::take(&mut self.live) && own.is_none() && self.written_off {
            self.shared.count(Event::Revived);
        }
        // Last, so that a thread which sees no live fiber also sees its other numbers.
        self.shared.count_in(Event::Stopped, own);
    }

    /// Counts the call as cancelled, once.
    pub(super) fn note_cancelled(&mut self) {
        if !mem::replace(&mut self.cancelled, true) {
            self.shared.count(Event::Cancelled);
        }
    }

    /// Ends the call.
    #[inline(always)]
    pub(super) fn close(&mut self, own: Option<Own>) {
        let is_plain = own.is_some();
        if !is_plain && self.registration.is_some() {
            self.leave_registry();
        }
        let was_open = mem::take(&mut self.open);
        if is_plain || (was_open && !self.written_off) {
            self.shared.end_call(own);
        }
    }

    /// Counts a fiber or root that is never touched again. `has_nested` avoids a search of the whole registry for each
    /// of the many fibers that a runtime may leave behind.
    #[cold]
    pub(super) fn leak(&mut self, has_nested: bool) {
        if let Some(registration) = self.registration.as_ref().filter(|_| has_nested) {
            registration.write_off();
        }
        self.leave_registry();
        self.permit.take().into_iter().for_each(Permit::keep);
        let was_live = mem::take(&mut self.live);
        if !self.written_off {
            self.shared.count(Event::Leaked);
            if was_live {
                self.shared.count(Event::LeakedLive);
            }
        }
    }

    #[cold]
    fn give_back(&mut self) {
        self.close(None);
        drop(self.permit.take());
    }

    pub(super) fn leave_registry(&mut self) {
        if let Some(registration) = &*self.registration {
            self.written_off |= !registration.leave();
            *self.registration = None;
        }
    }
}

impl Drop for CallGuard {
    #[inline]
    fn drop(&mut self) {
        debug_assert!(!self.live, "a call ends after its stack has been returned, or leaked");
        if self.open || self.registration.is_some() || self.permit.is_some() {
            self.give_back();
        }
    }
}
