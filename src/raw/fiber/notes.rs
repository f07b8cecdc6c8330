//! What a fiber has told in a poll, and its place among those that wait.

use std::task::Context;

use super::Fiber;
use crate::raw::{
    Job, Meta, State,
    frame::{Notes, Orders},
    with_current,
};

impl<J: Job> Fiber<J> {
    /// For a fiber that has suspended and tells something, or that others may look for.
    #[inline(never)]
    pub(super) fn note_seen(&mut self, notes: &Notes, is_nested: bool, cx: &Context<'_>) {
        self.read(notes);
        if is_nested {
            with_current(|outer| outer.map(|outer| outer.note_nested(notes.has(Notes::SHIELDED))));
        }
        self.wait(cx);
    }

    /// Finds out what all calls of the layer have been told. Returns what goes for one resume.
    #[cold]
    pub(super) fn hear(&mut self) -> Orders {
        let Meta { conduct, calls, .. } = self.base.meta();
        let news = calls.news();
        if news.is_cancel(self.news) {
            self.orders |= Orders::cancel(conduct.unwinds);
        }
        let once = if news.is_report(self.news) { Orders::REPORT } else { Orders::NONE };
        self.news = news;
        once
    }

    pub(super) fn read(&mut self, notes: &Notes) {
        self.has_nested |= notes.has(Notes::NESTED);
        if let Some(live) = &mut *self.live {
            live.given_up = notes.has(Notes::GIVEN_UP);
        }
    }

    /// Takes or corrects the fiber's place among those that wait.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        let inside = with_current(|outer| outer.map(State::id));
        let (id, about) = (self.base.id(), self.base.about());
        let account = &mut self.base.account;
        // Whoever tells all calls something wakes those that have a place; one that just took it looks itself.
        if account.wait(id, inside, about, cx.waker()) && account.meta.calls.news() != self.news {
            cx.waker().wake_by_ref();
        }
    }
}
