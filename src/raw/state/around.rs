//! What a fiber is inside of, what is inside of it, and which stack it is on.

use std::{
    iter,
    ops::Range,
    ptr::{self, NonNull},
    rc::Rc,
    sync::Arc,
};

use tokio::sync::watch;

use super::{ON_THREAD_STACK, State};
use crate::raw::{
    Caller, Shared, at_home::AtHome, header::Rare, id::FiberId, locals::Locals, nest::Nest, stack::GUARD_SIZE,
};

impl State {
    /// How many fibers wait directly inside this one, and are to hear of a cancel before it acts on that.
    pub(crate) fn nested_waiting(&self) -> usize {
        self.header().nest().map_or(0, |nest| nest.waiting())
    }

    /// Whether one of those inside, however deep, has put the cancel off.
    pub(crate) fn has_nested_shield(&self) -> bool {
        self.header().nest().is_some_and(|nest| nest.is_shielded())
    }

    /// Of the fibers inside.
    pub(in crate::raw) fn nest(&self) -> &Arc<Nest> {
        self.header().rare().nest.get_or_init(|| Arc::new(Nest::new(self.id())))
    }

    pub(in crate::raw) fn id(&self) -> FiberId {
        self.header().id()
    }

    /// The fiber on whose stack this one was resumed last.
    pub(in crate::raw) fn outer(&self) -> Option<&Self> {
        // SAFETY: invariant 5: that fiber encloses this poll, so its state lives longer.
        self.frame().outer.map(|outer| unsafe { outer.as_ref() })
    }

    /// This fiber and those around it that belong to the layer with these data.
    fn of_layer(&self, shared: &Shared) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |state| state.outer())
            .filter(move |state| ptr::eq(state.header().shared(), shared))
    }

    /// Whether this fiber or one around it belongs to the layer with these data.
    pub(crate) fn is_within(&self, shared: &Shared) -> bool {
        self.of_layer(shared).next().is_some()
    }

    /// Whether one of those was left behind by a fiber of the layer.
    pub(in crate::raw) fn is_left_behind(&self, shared: &Shared) -> bool {
        self.of_layer(shared).any(|state| state.header().call_guard.is_left_behind())
    }

    /// The addresses that code on this stack may use.
    pub(in crate::raw) fn usable(&self) -> Range<usize> {
        self.header().usable.clone()
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
        self.signals.get().is_caller_gone() || self.frame().caller.is_some_and(asks)
    }

    /// The fiber-locals of its code.
    pub(crate) fn locals(&self) -> Rc<Locals> {
        Rc::clone(self.header().rare().locals.get_or_init(|| AtHome::new(Rc::default())).get())
    }

    /// Runs the destructors of the fiber-locals, before the fiber ends.
    #[inline]
    pub(in crate::raw) fn end_locals(&self) {
        if let Some(rare) = self.header().known_rare() {
            end_locals(rare);
        }
    }

    /// Tells `true` when the caller has gone, and closes when the fiber ends.
    pub(crate) fn watch_caller(&self) -> watch::Receiver<bool> {
        self.header().rare().gone.get_or_init(|| watch::Sender::new(self.is_caller_gone())).subscribe()
    }
}

#[cold]
fn end_locals(rare: &Rare) {
    let locals = rare.locals.get().map(|locals| Rc::clone(locals.get()));
    locals.into_iter().for_each(|locals| locals.end());
}
