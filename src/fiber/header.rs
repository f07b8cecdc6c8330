//! The part of a fiber that does not depend on its job; code on the stack can read it through the owner.

use std::{
    any::Any,
    cell::{Cell, OnceCell},
    mem::ManuallyDrop,
    ops::Range,
    panic::Location,
    rc::Rc,
    sync::Arc,
};

use tokio::sync::watch;

use super::{
    Bar, Locals, Shared,
    call_guard::CallGuard,
    id::{self, FiberId},
    nest::Nest,
    registry::{self, About, Mark},
};
use crate::{
    raw::{AtHome, Home, Moment, Owner, foreign},
    util::drop_quietly::drop_quietly,
};

pub(super) struct Header {
    /// The home thread, set when the fiber gets its first stack.
    pub(super) home: Option<Home>,
    /// The fiber's number, assigned when it is first needed.
    id: Cell<Option<FiberId>>,
    /// When the fiber began, if a layer or handle may look it up.
    pub(super) begun: Option<Moment>,
    /// The addresses that code on its stack may use.
    pub(super) usable: Range<usize>,
    pub(super) label: &'static str,
    /// State that most fibers never need. Emptied by the owner: drop glue that checks it would cost each call a
    /// function.
    rare: ManuallyDrop<OnceCell<Box<Rare>>>,
    /// Last, so that the call is counted until everything else has been dropped.
    pub(super) call_guard: CallGuard,
}

/// Allocated on first use.
#[derive(Default)]
pub(super) struct Rare {
    /// Sends that the caller has gone. Closed when the fiber ends.
    pub(super) gone: OnceCell<watch::Sender<bool>>,
    /// The fiber-locals of the fiber's code. Taken by the owner.
    pub(super) locals: OnceCell<AtHome<Rc<Locals>>>,
    /// Tracks the fibers inside this one.
    pub(super) nest: OnceCell<Arc<Nest>>,
    /// Set once the caller has gone.
    pub(super) abandoned: OnceCell<Mark>,
}

impl Header {
    #[inline]
    pub(super) fn new(call_guard: CallGuard, label: &'static str) -> Self {
        Self {
            home: None,
            id: Cell::new(None),
            begun: None,
            usable: 0..0,
            label,
            rare: ManuallyDrop::new(OnceCell::new()),
            call_guard,
        }
    }

    #[inline]
    pub(super) fn shared(&self) -> &Shared {
        &self.call_guard.shared
    }

    /// The rare state, if it has been allocated.
    #[inline]
    pub(super) fn known_rare(&self) -> Option<&Rare> {
        self.rare.get().map(|rare| &**rare)
    }

    #[cold]
    pub(super) fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    #[inline]
    pub(super) fn take_rare(&mut self) -> Option<Box<Rare>> {
        self.rare.take()
    }

    /// The nest, if a fiber has waited inside this one.
    #[inline]
    pub(super) fn nest(&self) -> Option<&Arc<Nest>> {
        self.known_rare()?.nest.get()
    }

    /// Whether a layer, a handle or another fiber may look this fiber up while it waits.
    #[inline]
    pub(super) fn is_looked_for(&self) -> bool {
        self.nest().is_some() || self.call_guard.may_be_looked_up()
    }

    pub(super) fn name(&self) -> &str {
        self.shared().name_or(self.label)
    }

    pub(super) fn about(&self, waits_at: Option<&'static Location<'static>>) -> About {
        About { label: self.label, begun: self.begun, waits_at }
    }

    /// Counts the call as one without a caller, once.
    fn note_abandoned(&self) {
        let (shared, abandoned) = (&self.call_guard.shared, &self.rare().abandoned);
        // A parked root learns it anew each time that it is polled.
        if abandoned.get().is_some() {
            return;
        }
        abandoned.get_or_init(|| Mark::new(self.id(), shared));
        drop_quietly(foreign(|| shared.look_at_abandoned(self.label)));
    }

    /// Counts the end of the fiber among those without a caller.
    pub(super) fn end_abandoned(&self) {
        self.known_rare().and_then(|rare| rare.abandoned.get()).into_iter().for_each(Mark::end);
    }

    /// Assigns the number before the poll in which the fiber may begin.
    pub(super) fn reserve_id(&self) {
        if self.home.is_none() {
            self.id.set(Some(id::next_id(Home::here())));
        }
    }

    /// For a fiber that has not begun and may do so on another thread.
    pub(super) fn forget_id(&self) {
        self.id.set(None);
    }

    /// The fiber's number. At home only.
    #[inline]
    pub(super) fn id(&self) -> FiberId {
        self.id.get().unwrap_or_else(|| {
            let id = id::next_id(self.home.expect("a fiber that runs has a home"));
            self.id.set(Some(id));
            id
        })
    }
}

impl Owner for Header {
    fn name(&self) -> &str {
        self.name()
    }

    fn usable(&self) -> Range<usize> {
        self.usable.clone()
    }

    fn is_barred(&self) -> bool {
        self.shared().bar.as_ref().is_some_and(Bar::is_held)
    }

    #[cfg(feature = "interpose")]
    fn is_interposed(&self) -> bool {
        self.shared().interposes
    }

    fn report(&self) {
        self.shared().reports.answer(self.id());
    }

    fn tell_caller_gone(&self) {
        self.note_abandoned();
        let gone = self.known_rare().and_then(|rare| rare.gone.get()).cloned();
        if let Some(gone) = gone {
            drop_quietly(foreign(move || gone.send_replace(true)));
        }
    }

    fn tell_inside(&self) {
        // The inner fibers learn of the signal when they are polled, which their combinator may not do unless they are
        // woken.
        if self.nest().is_some_and(|nest| nest.waiting() > 0) {
            registry::wake_inside(self.id());
        }
    }

    fn at_end(&self) -> Option<Box<dyn FnOnce()>> {
        let locals = Rc::clone(self.known_rare()?.locals.get()?.get());
        Some(Box::new(move || locals.end()))
    }

    #[cfg(feature = "tracing")]
    fn note_panic(&self, payload: &(dyn Any + Send)) {
        // The subscriber is foreign code.
        drop_quietly(foreign(|| super::hint::note_panic(self.name(), payload)));
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
