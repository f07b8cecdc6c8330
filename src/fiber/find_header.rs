//! Finds the header of the fiber that code runs on, which answers the code's queries.

use std::{ptr, rc::Rc, sync::Arc};

use tokio::sync::watch;

use super::{
    Locals, Shared, StateExt,
    header::Header,
    id::FiberId,
    nest::{Nest, WithNest},
};
use crate::raw::{AtHome, State};

/// Calls `f` with this fiber's header. Waits are refused meanwhile.
fn with_header<R>(state: &State, f: impl FnOnce(&Header) -> R) -> R {
    state.with_owner(|owner| f(owner.as_any().downcast_ref().expect("fibers are owned with a header")))
}

/// Whether this fiber, or one around it, belongs to the layer and was left behind by another fiber of the layer.
pub(super) fn is_left_behind(state: &State, shared: &Shared) -> bool {
    is_any_around(state, |header| ptr::eq(header.shared(), shared) && header.call_guard.is_left_behind())
}

/// Whether this fiber or one around it matches.
fn is_any_around(state: &State, is_meant: impl Fn(&Header) -> bool) -> bool {
    state.find_around(|state| with_header(state, &is_meant).then_some(())).is_some()
}

impl StateExt for State {
    fn with_shared<R>(&self, f: impl FnOnce(&Shared, &'static str) -> R) -> R {
        with_header(self, |header| f(header.shared(), header.label))
    }

    fn id(&self) -> FiberId {
        with_header(self, Header::id)
    }

    fn shared_arc(&self) -> Arc<Shared> {
        with_header(self, |header| Arc::clone(&header.call_guard.shared))
    }

    fn find_shared<R>(&self, mut ask: impl FnMut(&Arc<Shared>) -> Option<R>) -> Option<R> {
        self.find_around(|state| with_header(state, |header| ask(&header.call_guard.shared)))
    }

    fn is_within(&self, shared: &Shared) -> bool {
        is_any_around(self, |header| ptr::eq(header.shared(), shared))
    }

    fn nested_waiting(&self) -> usize {
        with_header(self, |header| header.nest().map_or(0, |nest| nest.waiting()))
    }

    fn has_nested_shield(&self) -> bool {
        with_header(self, |header| header.nest().is_some_and(|nest| nest.is_shielded()))
    }

    #[cfg(feature = "axum")]
    fn has_nested_finishing(&self) -> bool {
        with_header(self, |header| header.nest().is_some_and(|nest| nest.is_finishing()))
    }

    fn locals(&self) -> Rc<Locals> {
        self.note_locals();
        with_header(self, |header| Rc::clone(header.rare().locals.get_or_init(|| AtHome::new(Rc::default())).get()))
    }

    fn watch_caller(&self) -> watch::Receiver<bool> {
        let is_gone = self.is_caller_gone();
        with_header(self, |header| header.rare().gone.get_or_init(|| watch::Sender::new(is_gone)).subscribe())
    }
}

impl WithNest for State {
    fn with_nest<R>(&self, f: impl FnOnce(&Arc<Nest>) -> R) -> R {
        with_header(self, |header| {
            let follows = header.shared().drop_policy.follows;
            f(header.rare().nest.get_or_init(|| Arc::new(Nest::new(header.id(), follows))))
        })
    }
}
