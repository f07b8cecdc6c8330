//! The calls of a script, and other futures, until they end or are dropped: the code that polls one owns it meanwhile.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tower_fiber::LocalFiber;

use super::{
    script::WakerSetup,
    stage::Stage,
    value::{Value, discard, guarded},
    waker::foreign,
};

thread_local! {
    static LOCALS: RefCell<BTreeMap<u64, Box<LocalFiber<Value>>>> = const { RefCell::new(BTreeMap::new()) };
}

#[derive(Default)]
pub(crate) struct Calls(Mutex<Vec<Call>>);

/// A future of a script.
pub(crate) enum Kept {
    Sent(Pin<Box<dyn Future<Output = ()> + Send>>),
    Local(Local),
}

/// A local fiber, which is kept by its thread.
pub(crate) struct Local(u64);

impl Local {
    pub(crate) fn new(fiber: Box<LocalFiber<Value>>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = NEXT.fetch_add(1, Ordering::Relaxed);
        LOCALS.with_borrow_mut(|locals| locals.insert(key, fiber));
        Self(key)
    }

    fn take(&self) -> Option<Box<LocalFiber<Value>>> {
        LOCALS.with_borrow_mut(|locals| locals.remove(&self.0))
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut fiber) = self.take() else { return Poll::Ready(()) };
        let poll = Pin::new(&mut fiber).poll(cx).map(drop);
        LOCALS.with_borrow_mut(|locals| locals.insert(self.0, fiber));
        poll
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let fiber = self.take();
        drop(fiber);
    }
}

impl Kept {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Sent(future) => future.as_mut().poll(cx),
            Self::Local(local) => local.poll(cx),
        }
    }
}

#[derive(Default)]
struct Call {
    /// Gone while it is being polled, and when it has ended.
    kept: Option<Kept>,
    woken: Arc<AtomicBool>,
}

/// A call that was taken out.
pub(crate) struct Taken {
    index: usize,
    pub(crate) kept: Kept,
    pub(crate) woken: Arc<AtomicBool>,
}

impl Calls {
    fn all(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, kept: Kept) {
        // To be polled once.
        self.all().push(Call { kept: Some(kept), woken: Arc::new(AtomicBool::new(true)) });
    }

    /// The one with that number among those that are there.
    pub(crate) fn take(&self, number: u8) -> Option<Taken> {
        let mut calls = self.all();
        let there: Vec<_> = (0..calls.len()).filter(|call| calls[*call].kept.is_some()).collect();
        let index = *there.get(usize::from(number) % there.len().max(1))?;
        take_out(&mut calls, index)
    }

    /// The first that was woken.
    pub(crate) fn take_woken(&self) -> Option<Taken> {
        let mut calls = self.all();
        let index = calls.iter().position(|call| call.kept.is_some() && call.woken.load(Ordering::Relaxed))?;
        take_out(&mut calls, index)
    }

    pub(crate) fn put_back(&self, Taken { index, kept, .. }: Taken) {
        self.all()[index].kept = Some(kept);
    }

    pub(crate) fn wake_all(&self) {
        self.all().iter().for_each(|call| call.woken.store(true, Ordering::Relaxed));
    }

    pub(crate) fn are_there(&self) -> bool {
        self.all().iter().any(|call| call.kept.is_some())
    }
}

fn take_out(calls: &mut [Call], index: usize) -> Option<Taken> {
    let kept = calls[index].kept.take()?;
    Some(Taken { index, kept, woken: Arc::clone(&calls[index].woken) })
}

impl Stage {
    /// Polls a call once. It goes back if it has not ended; a panic of it is dropped.
    pub(crate) fn poll_call(self: &Arc<Self>, call: u8, waker: WakerSetup) {
        if let Some(taken) = self.calls.take(call) {
            self.poll_taken(taken, waker);
        }
    }

    pub(crate) fn poll_taken(self: &Arc<Self>, taken: Taken, waker: WakerSetup) {
        taken.woken.store(false, Ordering::Relaxed);
        let waker = foreign(self, waker, &taken.woken);
        self.poll_taken_with(taken, &mut Context::from_waker(&waker));
    }

    /// Polls a call once with any waker.
    pub(crate) fn poll_with(&self, call: u8, cx: &mut Context<'_>) {
        if let Some(taken) = self.calls.take(call) {
            self.poll_taken_with(taken, cx);
        }
    }

    fn poll_taken_with(&self, mut taken: Taken, cx: &mut Context<'_>) {
        let polled = catch_unwind(AssertUnwindSafe(|| taken.kept.poll(cx)));
        match polled {
            Ok(Poll::Pending) => self.calls.put_back(taken),
            Ok(Poll::Ready(())) => drop(taken),
            Err(payload) => {
                discard(payload);
                drop(taken);
            }
        }
    }

    /// Polls it once more if it has ended. What that does is a panic, or is nothing.
    pub(crate) fn poll_twice(self: &Arc<Self>, call: u8, waker: WakerSetup) {
        let Some(mut taken) = self.calls.take(call) else { return };
        let waker = foreign(self, waker, &taken.woken);
        for _ in 0..2 {
            let mut is_pending = false;
            guarded(|| is_pending = taken.kept.poll(&mut Context::from_waker(&waker)).is_pending());
            if is_pending {
                return self.calls.put_back(taken);
            }
        }
    }
}

/// Drops local fibers that another thread was to drop.
pub(crate) fn clear_locals() {
    let locals = LOCALS.take();
    locals.into_values().for_each(discard);
}
