//! A call that is polled when it is made, as that of a handler is.

use std::{future::Future as _, pin::Pin, sync::Arc, task::Context};

use super::{Call, SendJob, Stage, placement};
use crate::{
    context::AtCall,
    raw::{Ending, Fiber, Ticket},
    settings::Settings,
};

impl<J: SendJob> Call<J> {
    /// Makes a call and polls it. `None` if it has ended, with its outcome in `ending`, which was `Pending`.
    ///
    /// What ends at once in its caller's task, with nothing around it, is never more than a fiber: all that a call may have to be would
    /// cost it more than the fiber does.
    #[inline]
    pub(crate) fn at_once(
        job: J,
        settings: &Settings,
        label: &'static str,
        cx: &mut Context<'_>,
        ending: &mut Ending<J>,
    ) -> Option<Box<Self>> {
        let Settings { meta, placement, attendants } = settings;
        let context = AtCall::new(attendants.as_deref(), meta, label);
        let mut fiber = Fiber::new(job, Ticket::default(), Arc::clone(meta), label);
        let has_begun = context.is_bare() && placement::is_known_here(placement) && fiber.poll_bare(cx, ending);
        if has_begun && ending.is_ready() {
            return None;
        }
        let mut this = Box::new(Self::of(fiber, context, placement, label));
        this.go_on(has_begun, cx, ending);
        ending.is_pending().then_some(this)
    }

    /// Polls it, if it has not begun.
    #[inline(never)]
    fn go_on(&mut self, has_begun: bool, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        match &mut self.stage {
            Stage::Own { call, is_placed } if has_begun => {
                *is_placed = true;
                call.wait();
            }
            _ => *ending = Pin::new(self).poll(cx).map(Ok),
        }
    }
}
