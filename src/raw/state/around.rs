//! What a fiber is inside of, what is inside of it, and which stack it is on.

use std::{
    iter,
    ops::Range,
    ptr::{self, NonNull},
    rc::Rc,
};

use tokio::sync::watch;

use super::{NESTED, NESTED_SHIELDED, ON_THREAD_STACK, State};
use crate::raw::{Caller, Meta, frame::Notes, locals::Locals, roll::FiberId, stack::GUARD_SIZE};

impl State {
    /// Whether a fiber waits inside the awaited future, and is to hear of a cancel before this one acts on it.
    pub(crate) fn has_nested(&self) -> bool {
        self.has(NESTED)
    }

    /// Whether that fiber has put the cancel off.
    pub(crate) fn has_nested_shield(&self) -> bool {
        self.has(NESTED_SHIELDED)
    }

    pub(in crate::raw) fn note_nested(&self, is_shielded: bool) {
        self.set(if is_shielded { NESTED | NESTED_SHIELDED } else { NESTED });
        self.note_seat();
    }

    /// Another fiber has taken a place in the roll inside this one.
    pub(in crate::raw) fn note_seat(&self) {
        self.frame().notes.add(Notes::NESTED);
    }

    pub(in crate::raw) fn id(&self) -> FiberId {
        self.base().id()
    }

    /// The fiber on whose stack this one was resumed last.
    pub(in crate::raw) fn outer(&self) -> Option<&Self> {
        // SAFETY: invariant 5: that fiber encloses this poll, so its state lives longer.
        self.frame().outer.map(|outer| unsafe { outer.as_ref() })
    }

    /// Whether this fiber or one around it belongs to the layer with these data.
    pub(crate) fn is_within(&self, meta: &Meta) -> bool {
        iter::successors(Some(self), |state| state.outer()).any(|state| state.with_meta(|own, _| ptr::eq(own, meta)))
    }

    /// The addresses that code on this stack may use.
    pub(in crate::raw) fn usable(&self) -> Range<usize> {
        self.base().usable.clone()
    }

    /// Those below, which end the process.
    pub(in crate::raw) fn guard(&self) -> Range<usize> {
        let lowest = self.usable().start;
        lowest - GUARD_SIZE..lowest
    }

    /// Until the guard is dropped, the code of this fiber is not on its stack.
    pub(in crate::raw) fn leave_stack(&self) -> impl Drop + '_ {
        struct Left<'a>(&'a State);

        impl Drop for Left<'_> {
            fn drop(&mut self) {
                self.0.clear(ON_THREAD_STACK);
            }
        }

        self.set(ON_THREAD_STACK);
        Left(self)
    }

    /// Whether nobody awaits this fiber, or one around it, any more.
    pub(crate) fn is_caller_gone(&self) -> bool {
        let asks = |caller: NonNull<_>| {
            // SAFETY: invariant 5: it is borrowed by the poll that made the frame, or by one that is below it.
            let caller: &dyn Caller = unsafe { caller.as_ref() };
            caller.is_gone()
        };
        self.orders.get().is_caller_gone() || self.frame().caller.is_some_and(asks)
    }

    /// The fiber-locals of its code.
    pub(crate) fn locals(&self) -> Rc<Locals> {
        Rc::clone(self.base().locals.get_or_init(Rc::default))
    }

    /// Runs the destructors of the fiber-locals, before the fiber ends.
    #[inline]
    pub(in crate::raw) fn end_locals(&self) {
        if let Some(locals) = self.base().locals.get() {
            let locals = Rc::clone(locals);
            locals.end();
        }
    }

    /// Tells `true` when the caller has gone, and closes when the fiber ends.
    pub(crate) fn watch_caller(&self) -> watch::Receiver<bool> {
        self.base().gone.get_or_init(|| watch::Sender::new(self.is_caller_gone())).subscribe()
    }
}
