//! What of a fiber does not depend on what it runs: the owner's part that the code on the stack can look at.

use std::{
    cell::{Cell, OnceCell},
    mem::ManuallyDrop,
    ops::Range,
    panic::Location,
    rc::Rc,
};

use tokio::sync::watch;

use super::{
    Home, Meta,
    account::Account,
    clock::Moment,
    locals::Locals,
    roll::{self, About, FiberId},
};

pub(super) struct Base {
    /// The thread that it lives on, since it got its first stack.
    pub(super) home: Option<Home>,
    /// Its name among the fibers of its thread, since that was first needed.
    id: Cell<Option<FiberId>>,
    /// When it began, if somebody may look.
    pub(super) begun: Option<Moment>,
    /// Where its code waits, or waited last. A wait that was ready at once is none.
    pub(super) waits_at: Cell<Option<&'static Location<'static>>>,
    /// The addresses that code on its stack may use.
    pub(super) usable: Range<usize>,
    /// Emptied by the owner.
    pub(super) gone: ManuallyDrop<Gone>,
    pub(super) label: &'static str,
    /// Those of its code, at home only; emptied by the owner.
    pub(super) locals: ManuallyDrop<OnceCell<Rc<Locals>>>,
    /// Last, so that the call is in the books until everything else has been dropped.
    pub(super) account: Account,
}

/// Made when somebody wants to be told that the caller has gone. Closed when the fiber ends.
type Gone = OnceCell<watch::Sender<bool>>;

impl Base {
    #[inline]
    pub(super) fn new(account: Account, label: &'static str) -> Self {
        Self {
            home: None,
            id: Cell::new(None),
            begun: None,
            waits_at: Cell::new(None),
            usable: 0..0,
            gone: ManuallyDrop::new(Gone::new()),
            label,
            locals: ManuallyDrop::new(OnceCell::new()),
            account,
        }
    }

    #[inline]
    pub(super) fn meta(&self) -> &Meta {
        &self.account.meta
    }

    /// Whether there is something that its code has left in it.
    #[inline]
    pub(super) fn has_remains(&self) -> bool {
        self.gone.get().is_some() || self.locals.get().is_some()
    }

    pub(super) fn name(&self) -> &str {
        self.meta().name_or(self.label)
    }

    pub(super) fn about(&self) -> About {
        About { label: self.label, begun: self.begun, waits_at: self.waits_at.get() }
    }

    /// Gives a fiber that may begin in the poll that comes its number now.
    pub(super) fn reserve_id(&self) {
        if self.home.is_none() {
            self.id.set(Some(roll::next_id(Home::here())));
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
            let id = roll::next_id(self.home.expect("a fiber that runs has a home"));
            self.id.set(Some(id));
            id
        })
    }
}
