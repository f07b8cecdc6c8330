//! Functions that belong to the call that makes them, and that another task polls: what a response's body is made of.

use super::InFiber;
use crate::{
    blocking,
    call::{Call, Closure},
    fiber::StateExt as _,
    raw::with_current,
    settings::{Placement, Settings},
};

impl<R: Send + 'static> InFiber<R> {
    /// Runs `f` in a fiber of the innermost layer that the code here runs in, with the context that code has here. The
    /// call counts for that layer from now on, but not for its limit. Outside layers, the settings are the defaults.
    pub(crate) fn beyond<F>(f: F, label: &'static str) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
    {
        let scopes = blocking::scopes_here();
        let of_layer = with_current(|state| {
            state.and_then(|state| state.find_shared(|shared| Settings::beyond(shared, scopes.clone())))
        });
        match (of_layer, scopes) {
            (Some(settings), _) => Self { call: Call::in_advance(Closure(Box::new(f)), &settings, label) },
            (None, Some(scopes)) => {
                let settings = Settings { placement: Some(Placement::Auto), ..Settings::beside(&scopes) };
                Self::new(f, &settings, label)
            }
            (None, None) => Self::new(f, Settings::process_wide(), label),
        }
    }
}
