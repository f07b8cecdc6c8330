//! Whether a thread has its own dispatcher, from `with_subscriber`, `set_default` or `with_default`.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use tracing::{
    Dispatch,
    dispatcher::{self, DefaultGuard},
};

use crate::{
    raw::{foreign, let_go},
    util::drop_quietly::drop_quietly,
};

thread_local! {
    /// Where `tracing` keeps this thread's own dispatcher if it has one; zero until that is known.
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// Where `tracing` keeps the dispatcher of a thread that has its own. The dispatcher of all other threads is a static.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

impl Place {
    #[inline]
    pub(super) fn here() -> Self {
        let place = PLACE.get();
        // If no dispatcher has ever been made a default, this must not be the first: until then `tracing` gives events
        // to the crate `log`.
        Self(if place == 0 && dispatcher::has_been_set() { learn() } else { place })
    }

    /// Whether the dispatcher at this [`address`], which `tracing` has just named here, is the thread's own.
    #[inline]
    pub(super) fn is(self, address: usize) -> bool {
        address == self.0
    }
}

#[inline]
pub(super) fn address(dispatch: &Dispatch) -> usize {
    ptr::from_ref(dispatch).addr()
}

/// Learns where the thread's own dispatcher lies. `tracing` does not say which dispatcher that is, but the address
/// tells.
#[cold]
fn learn() -> usize {
    // The default cannot be changed inside a call of a subscriber, which has no dispatcher; the place is then learned
    // another time.
    let learned = catch_unwind(AssertUnwindSafe(|| {
        dispatcher::with_default(&Dispatch::none(), || dispatcher::get_default(address))
    }));
    match learned {
        Ok(place) => {
            PLACE.set(place);
            place
        }
        Err(payload) => {
            drop_quietly(payload);
            0
        }
    }
}

#[cold]
pub(super) fn set_dispatcher(dispatch: &Dispatch) -> Option<Dispatcher> {
    foreign(|| dispatcher::set_default(dispatch)).map_err(drop_quietly).ok()
}

/// While it exists, the thread's dispatcher is a fiber's.
pub(crate) type Dispatcher = DefaultGuard;

/// Gives the thread its own dispatcher back.
#[inline]
pub(crate) fn reset_dispatcher(dispatcher: &mut Option<Dispatcher>) {
    if dispatcher.is_some() {
        // This may be the last reference to a subscriber.
        let_go(dispatcher.take());
    }
}
