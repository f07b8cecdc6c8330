//! Spans of one subscriber that are off a thread's stack.

use std::mem;

use tracing::{Dispatch, Id};

use crate::{raw::foreign, util::drop_quietly::drop_quietly};

/// No subscriber reports more than this many spans that were entered and not left, unless it does not really leave
/// them.
const DEEPEST: usize = 4096;

/// They are kept from being closed.
pub(super) struct Taken {
    /// Whose ids they are, or were last.
    dispatch: Dispatch,
    /// Most often there is one at most, which needs no heap.
    innermost: Option<Entry>,
    /// From the inner to the outer.
    others: Vec<Entry>,
}

struct Entry {
    id: Id,
    /// There is a reference for this. Otherwise the fiber's parent is one.
    is_held: bool,
}

#[inline]
pub(super) fn current_of(dispatch: &Dispatch) -> Option<Id> {
    dispatch.current_span().id().cloned()
}

impl Taken {
    pub(super) fn new(dispatch: Dispatch) -> Self {
        Self { dispatch, innermost: None, others: Vec::new() }
    }

    /// One that its fiber begins with, which has a reference to it.
    pub(super) fn first(dispatch: Dispatch, id: Id) -> Self {
        Self { dispatch, innermost: Some(Entry { id, is_held: false }), others: Vec::new() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.innermost.is_none()
    }

    pub(super) fn outermost(&self) -> Option<&Id> {
        self.others.last().or(self.innermost.as_ref()).map(|entry| &entry.id)
    }

    /// The innermost that is on the thread's stack.
    pub(super) fn current(&self) -> Option<Id> {
        current_of(&self.dispatch)
    }

    /// Takes all off, of which this is the innermost. To `kept` there is a reference.
    pub(super) fn take_off(&mut self, innermost: Id, kept: Option<&Id>) {
        let Self { dispatch, innermost: first, others } = self;
        let off = foreign(|| {
            let take = |id: Id| {
                let is_held = kept != Some(&id);
                let entry = Entry { id: if is_held { dispatch.clone_span(&id) } else { id.clone() }, is_held };
                (id, entry)
            };
            let (id, entry) = take(innermost);
            *first = Some(entry);
            dispatch.exit(&id);
            while let Some(id) = current_of(dispatch) {
                let (id, entry) = take(id);
                others.push(entry);
                dispatch.exit(&id);
                if others.len() == DEEPEST {
                    break;
                }
            }
        });
        if let Err(payload) = off {
            drop_quietly(payload);
        }
    }

    pub(super) fn put_on(&mut self) {
        let mut last = None;
        // Again, if one could not be put on.
        while let Err(payload) = foreign(|| self.put_on_all(&mut last)) {
            drop_quietly(payload);
            self.leave(last.take());
        }
    }

    /// `last` is what is put on.
    #[inline]
    fn put_on_all(&mut self, last: &mut Option<Id>) {
        let Self { dispatch, innermost, others } = self;
        while let Some(entry) = others.pop() {
            entry.put_on(dispatch, last);
        }
        if let Some(entry) = innermost.take() {
            entry.put_on(dispatch, last);
        }
    }

    /// The subscriber has panicked when it was to enter this, which may be on its stack.
    #[cold]
    fn leave(&self, id: Option<Id>) {
        if let Some(id) = id {
            drop_quietly(foreign(|| self.dispatch.exit(&id)));
        }
    }

    #[cold]
    fn release(&mut self) {
        let Self { dispatch, innermost, others } = self;
        others.drain(..).chain(innermost.take()).for_each(|entry| entry.release(dispatch));
    }

    pub(super) fn leave_out(&mut self, left: &Id) {
        let Self { dispatch, innermost, others } = self;
        let entry = if innermost.as_ref().is_some_and(|entry| entry.id == *left) {
            let outer = if others.is_empty() { None } else { Some(others.remove(0)) };
            mem::replace(innermost, outer)
        } else {
            others.iter().position(|entry| entry.id == *left).map(|index| others.remove(index))
        };
        entry.into_iter().for_each(|entry| entry.release(dispatch));
    }
}

impl Drop for Taken {
    #[inline]
    fn drop(&mut self) {
        let is_any_held = self.innermost.as_ref().is_some_and(|entry| entry.is_held) || !self.others.is_empty();
        if is_any_held {
            self.release();
        }
    }
}

impl Entry {
    /// Enters the span, unless it is to be closed: nobody else has it any more, so that whatever has entered it is
    /// gone.
    #[inline]
    fn put_on(self, dispatch: &Dispatch, last: &mut Option<Id>) {
        *last = Some(self.id.clone());
        if !(self.is_held && dispatch.try_close(self.id.clone())) {
            dispatch.enter(&self.id);
        }
    }

    fn release(self, dispatch: &Dispatch) {
        if self.is_held {
            drop_quietly(foreign(|| dispatch.try_close(self.id)));
        }
    }
}
