//! What a thread has: a current span, a dispatcher of its own, or both.

use tracing::{Dispatch, Id, dispatcher};

use super::{
    scoped::{Place, address},
    taken::current_of,
};

/// What a thread has: a current span, a dispatcher of its own, or both.
pub(crate) struct Here {
    pub(super) dispatch: Dispatch,
    /// Whether `dispatch` is the thread's own.
    pub(super) is_own: bool,
    pub(super) id: Option<Id>,
}

impl Here {
    /// `None` if this thread has neither.
    #[inline]
    pub(crate) fn look() -> Option<Self> {
        if !dispatcher::has_been_set() {
            return None;
        }
        let place = Place::here();
        let mut found = None;
        // Nothing more is done in here, because subscribers find no dispatcher inside `get_default`.
        dispatcher::get_default(|dispatch| {
            let (id, is_own) = (current_of(dispatch), place.is(address(dispatch)));
            if id.is_some() || is_own {
                found = Some(Self { dispatch: dispatch.clone(), is_own, id });
            }
        });
        found
    }
}
