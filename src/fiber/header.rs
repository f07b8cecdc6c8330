//! What of a fiber does not depend on what it runs: the owner's part that the code on the stack can look at.

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
    registry::{self, About},
    report,
};
use crate::{
    raw::{AtHome, Home, Moment, Owner, foreign},
    util::drop_quietly::drop_quietly,
};

pub(super) struct Header {
    /// The thread that it lives on, since it got its first stack.
    pub(super) home: Option<Home>,
    /// Its name among the fibers of its thread, since that was first needed.
    id: Cell<Option<FiberId>>,
    /// When it began, if a layer or handle may look.
    pub(super) begun: Option<Moment>,
    /// The addresses that code on its stack may use.
    pub(super) usable: Range<usize>,
    pub(super) label: &'static str,
    /// What most fibers never have.
    /// Emptied by the owner: glue that looks for it would cost each call a function.
    rare: ManuallyDrop<OnceCell<Box<Rare>>>,
    /// Last, so that the call is counted until everything else has been dropped.
    pub(super) call_guard: CallGuard,
}

/// Made when it is first needed.
#[derive(Default)]
pub(super) struct Rare {
    /// Tells that the caller has gone. Closed when the fiber ends.
    pub(super) gone: OnceCell<watch::Sender<bool>>,
    /// The fiber-locals of its code. Taken by the owner.
    pub(super) locals: OnceCell<AtHome<Rc<Locals>>>,
    /// Of the fibers inside it.
    pub(super) nest: OnceCell<Arc<Nest>>,
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

    /// What its code has left in it, if that is something.
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

    /// Of the fibers inside it, if any have waited there.
    #[inline]
    pub(super) fn nest(&self) -> Option<&Arc<Nest>> {
        self.known_rare()?.nest.get()
    }

    /// Whether it may be looked for while it waits.
    #[inline]
    pub(super) fn is_looked_for(&self) -> bool {
        self.nest().is_some() || self.call_guard.is_watched()
    }

    pub(super) fn name(&self) -> &str {
        self.shared().name_or(self.label)
    }

    pub(super) fn about(&self, waits_at: Option<&'static Location<'static>>) -> About {
        About { label: self.label, begun: self.begun, waits_at }
    }

    /// Gives a fiber that may begin in the poll that comes its number now.
    pub(super) fn reserve_id(&self) {
        if self.home.is_none() {
            self.id.set(Some(id::next_id(Home::here())));
        }
    }

    /// It has not begun, and may do so on another thread.
    pub(super) fn forget_id(&self) {
        self.id.set(None);
    }

    /// At home only.
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

    fn report(&self) {
        report::report(self.shared(), self.id());
    }

    fn tell_caller_gone(&self) {
        let gone = self.known_rare().and_then(|rare| rare.gone.get()).cloned();
        if let Some(gone) = gone {
            drop_quietly(foreign(move || gone.send_replace(true)));
        }
    }

    fn tell_inside(&self) {
        // Those inside hear of it when they are polled, which their combinator may not do unless they are woken.
        if self.nest().is_some_and(|nest| nest.waiting() > 0) {
            registry::wake_inside(self.id());
        }
    }

    fn at_end(&self) -> Option<Box<dyn FnOnce()>> {
        let locals = Rc::clone(self.known_rare()?.locals.get()?.get());
        Some(Box::new(move || locals.end()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
