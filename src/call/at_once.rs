//! A call that is polled as soon as it is made, as a handler's call is.

use std::{future::Future as _, pin::Pin, sync::Arc, task::Context};

use super::{Call, Stage, driven, jobs::SendJob};
use crate::{
    context::{AtCall, poll_plain},
    fiber::{Admission, Fiber},
    raw::Ending,
    settings::Settings,
};

impl<J: SendJob> Call<J> {
    /// Makes a call and polls it. Returns `None` if the call has ended; its outcome is then in `ending`, which was
    /// `Pending`.
    ///
    /// A call that ends at once in its caller's task, with nothing around it, is only ever a fiber: the rest of a
    /// `Call` would cost more than the fiber itself.
    #[inline]
    pub(crate) fn at_once(
        job: J,
        settings: &Settings,
        label: &'static str,
        cx: &mut Context<'_>,
        ending: &mut Ending<J>,
    ) -> Option<Box<Self>> {
        let Settings { shared, placement, scopes } = settings;
        let context = AtCall::new(scopes.as_deref());
        let mut fiber = Fiber::new(job, Admission::default(), Arc::clone(shared), label);
        let is_known_here = || driven::is_known_here(placement.as_ref(), cx.waker());
        let is_plain = context.is_plain() && !fiber.detects_blocking() && is_known_here();
        let poll = if is_plain { poll_plain(&mut fiber, cx, ending) } else { None };
        if poll.is_some_and(|poll| poll.is_ready()) {
            return None;
        }
        let mut this = Box::new(Self::of(fiber, context, placement, label));
        this.go_on(poll.is_some(), cx, ending);
        ending.is_pending().then_some(this)
    }

    /// Polls the call if it has not begun, and otherwise notes that it waits.
    #[inline(never)]
    fn go_on(&mut self, has_begun: bool, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        match &mut self.stage {
            Stage::Own { call, is_placed } if has_begun => {
                *is_placed = true;
                call.wait_after_plain(cx.waker());
            }
            _ => *ending = Pin::new(self).poll(cx).map(Ok),
        }
    }
}
