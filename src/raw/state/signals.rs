//! The signals in force, and how the fiber takes them in.

use super::{SHIELDED, State};
use crate::{
    raw::{exchange::Signals, foreign::foreign},
    util::drop_quietly::drop_quietly,
};

impl State {
    /// The signals in force.
    pub(crate) fn signals(&self) -> Signals {
        self.signals.get()
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.signals.get().is_cancelled()
    }

    #[inline]
    pub(crate) fn is_unwinding(&self) -> bool {
        self.signals.get().is_unwinding()
    }

    /// Puts the owner's signals into force.
    #[inline]
    pub(in crate::raw) fn take_signals(&self) {
        let signals = self.frame().signals;
        if signals != self.signals.get() {
            self.obey(signals);
        }
    }

    #[cold]
    fn obey(&self, signals: Signals) {
        if signals.wants_report() {
            drop_quietly(foreign(|| self.owner().report()));
        }
        let former = self.signals.get();
        let all = former | if self.has(SHIELDED) { signals.shielded() } else { signals.lasting() };
        if all == former {
            // Signals that a shield puts off come again at each resume.
            return;
        }
        self.signals.set(all);
        if all.is_caller_gone() && !former.is_caller_gone() {
            self.with_owner(|owner| owner.tell_caller_gone());
        }
        self.with_owner(|owner| owner.tell_inside());
    }
}
