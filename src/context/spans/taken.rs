//! Spans of one subscriber that were taken off a thread's stack.

use std::mem;

use tracing::{Dispatch, Id};

use crate::{raw::foreign, util::drop_quietly::drop_quietly};

/// No subscriber reports more than this many spans that were entered and not exited, unless exiting has no effect in
/// it.
const DEEPEST: usize = 4096;

/// The spans are kept from being closed.
pub(super) struct Taken {
    /// The subscriber that the ids belong to, or last belonged to.
    dispatch: Dispatch,
    /// Most often there is at most one span, which needs no heap.
    innermost: Option<Entry>,
    /// The spans around it, from the inner to the outer.
    others: Vec<Entry>,
}

struct Entry {
    id: Id,
    /// Whether this entry has a reference to the span. Otherwise the fiber's parent has one.
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

    /// The span that a fiber begins with, to which the fiber has a reference.
    pub(super) fn first(dispatch: Dispatch, id: Id) -> Self {
        Self { dispatch, innermost: Some(Entry { id, is_held: false }), others: Vec::new() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.innermost.is_none()
    }

    /// The span, if there is just one.
    #[inline]
    pub(super) fn only(&self) -> Option<&Id> {
        self.innermost.as_ref().filter(|_| self.others.is_empty()).map(|entry| &entry.id)
    }

    pub(super) fn outermost(&self) -> Option<&Id> {
        self.others.last().or(self.innermost.as_ref()).map(|entry| &entry.id)
    }

    /// The innermost span that is on the thread's stack.
    pub(super) fn current(&self) -> Option<Id> {
        current_of(&self.dispatch)
    }

    /// Takes all spans off, of which `innermost` is the first. A reference to `kept` exists already.
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

    /// See [`Spans::take_off_all_but_one`](super::off::Spans::take_off_all_but_one).
    pub(super) fn take_off_all_but_one(&mut self, has_ended: bool) {
        let Self { dispatch, innermost, .. } = self;
        let Some(Entry { id: one, .. }) = innermost else { return };
        let is_alone = foreign(|| {
            let is_current = current_of(dispatch).as_ref() == Some(one);
            if !is_current || has_ended {
                return is_current;
            }
            // Whether the fiber has entered it again shows when it is exited.
            dispatch.exit(one);
            let is_alone = current_of(dispatch).as_ref() != Some(one);
            dispatch.enter(one);
            is_alone
        });
        match is_alone {
            Ok(true) => {}
            Ok(false) => self.leave_one_on(),
            Err(payload) => drop_quietly(payload),
        }
    }

    /// Takes all off, and puts back on what is the thread's.
    #[cold]
    fn leave_one_on(&mut self) {
        let Some(Entry { id: one, .. }) = self.innermost.take() else { return };
        if let Some(innermost) = self.current() {
            self.take_off(innermost, Some(&one));
        }
        let Self { dispatch, innermost, others } = self;
        let mut all: Vec<_> = innermost.take().into_iter().chain(others.drain(..)).collect();
        // It is gone if the fiber has dropped the guard that the thread had entered it by.
        if let Some(index) = all.iter().rposition(|entry| entry.id == one) {
            let mut threads = all.split_off(index).into_iter();
            Self { dispatch: dispatch.clone(), innermost: threads.next(), others: threads.collect() }.put_on();
            all.push(Entry { id: one, is_held: false });
        }
        let mut fibers = all.into_iter();
        *innermost = fibers.next();
        others.extend(fibers);
    }

    pub(super) fn put_on(&mut self) {
        let mut last = None;
        // Repeated if a span could not be put on.
        while let Err(payload) = foreign(|| self.put_on_all(&mut last)) {
            drop_quietly(payload);
            self.leave(last.take());
        }
    }

    /// `last` is the span that was put on last, or is being put on.
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

    /// Exits a span on whose entry the subscriber has panicked: it may be on the subscriber's stack.
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
    /// Enters the span, unless this was the last reference and the span is to be closed: then the guard that entered it
    /// is gone.
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
