//! What a call takes along from where it is made, and from where it is first polled.

use std::panic::resume_unwind;

#[cfg(feature = "axum")]
use super::of_fiber::is_plain;
use super::{
    entered::Entered,
    of_fiber::Context,
    scopes::Scopes,
    spans::{self, Parent},
};
use crate::util::drop_quietly::{FirstPanic, drop_quietly};

/// The context that a call is made with.
pub(crate) struct AtCall(Option<Box<Context>>);

impl AtCall {
    #[inline]
    pub(crate) fn new(scopes: Option<&Scopes>) -> Self {
        Self(if scopes.is_some() || spans::may_exist() { Context::at_call(scopes) } else { None })
    }

    /// For code that leaves its thread for a thread that may block.
    pub(crate) fn leaving(scopes: Option<&Scopes>) -> Self {
        let parent = if spans::may_exist() { Parent::current() } else { None };
        Self((parent.is_some() || scopes.is_some()).then(|| {
            let scopes = scopes.map(Scopes::of_child).unwrap_or_default();
            let mut context = Context::new(parent.unwrap_or_default(), scopes);
            context.begin_now();
            context
        }))
    }

    /// Runs that code on the other thread.
    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let Self(mut context) = self;
        if context.is_none() {
            return f();
        }
        let (mut panics, mut result) = (FirstPanic::default(), None);
        let mut entered = Entered::new(&mut context, false);
        entered.run(&mut panics, || result = Some(f()));
        drop(entered);
        drop(context);
        match panics.into_payload() {
            None => result.expect("it runs if nothing panics before"),
            Some(payload) => {
                drop_quietly(result);
                resume_unwind(payload)
            }
        }
    }

    /// Whether a call that is made with this has nothing around it if it is polled now.
    #[cfg(feature = "axum")]
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        is_plain(self.0.as_deref())
    }

    #[inline]
    pub(super) fn into_context(self) -> Option<Box<Context>> {
        self.0
    }
}
