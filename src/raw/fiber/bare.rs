//! The way of most calls: a fiber that begins where it was made, needs nothing but a stack for that, and often ends at once.

use std::{mem::ManuallyDrop, ptr::NonNull, task::Context};

use corosensei::{Coroutine, CoroutineResult};

use super::{
    Fiber,
    live::{Live, resume},
};
use crate::raw::{
    Home, Job, Meta,
    clock::Moment,
    current::with_current,
    entry::{Ending, entry},
    fence,
    frame::{Frame, Notes, Orders},
    tally::Event,
};

/// Tells the compiler which way is the usual one: it would take it for the rarest, and not inline the switch.
#[cold]
#[inline(never)]
fn not_bare() -> bool {
    false
}

impl<J: Job> Fiber<J> {
    /// Enters a fresh fiber in the books and polls it, as `open` and `poll` do, and if it ends, `close`: without looking for what cannot
    /// be there. `false` if something may be: then it has not been polled, and may have been entered. `ending` is `Pending`.
    #[inline]
    pub(crate) fn poll_bare(&mut self, cx: &Context<'_>, ending: &mut Ending<J>) -> bool {
        let Self { slot, live, admission, news, base, .. } = self;
        let meta: &Meta = &base.account.meta;
        let is_nested = with_current(|outer| outer.is_some());
        let Some(own) = meta.tally.own_or_first().filter(|_| !is_nested && admission.is_plain()) else {
            return not_bare();
        };
        let Some(stack) = meta.take_bare() else { return not_bare() };
        own.count(Event::Begun);
        fence::light();
        base.account.open = true;
        *news = meta.calls.news();
        // After it was entered: whoever closes the layer waits for this call, or it is refused.
        if meta.calls.is_closed() {
            return not_bare();
        }
        if meta.is_watched() {
            base.begun = Some(Moment::now());
        }
        base.home = Some(Home::here());
        base.usable = stack.usable();
        own.count(Event::Started);
        base.account.live = true;
        let mut coroutine = ManuallyDrop::new(Coroutine::with_stack(stack, entry::<J>));
        // From here until control is back, `slot`, `base` and `ending` belong to the fiber (invariants 5 and 6).
        let frame = Frame {
            waker: NonNull::from(cx.waker()),
            slot: NonNull::from(slot).cast(),
            ending: NonNull::from(&mut *ending).cast(),
            base: NonNull::from(&*base),
            outer: None,
            caller: None,
            orders: Orders::NONE,
            panicking: false,
            notes: Notes::default(),
        };
        let result = resume(&mut coroutine, &frame);
        let coroutine = ManuallyDrop::into_inner(coroutine);
        if let CoroutineResult::Yield(()) = result {
            *live = ManuallyDrop::new(Some(Live { coroutine, permit: None, given_up: false, measured: false }));
            self.note_suspend(&frame, cx);
            return true;
        }
        drop(coroutine.into_stack());
        own.count(Event::Stopped);
        base.account.live = false;
        if ending.is_pending() || base.has_remains() {
            self.settle(&frame, cx, ending);
            if ending.is_ready() {
                self.close();
            }
        } else {
            own.count(Event::Ended);
            base.account.open = false;
            meta.calls.tell_end();
        }
        true
    }
}
