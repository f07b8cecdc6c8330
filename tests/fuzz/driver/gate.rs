//! What fibers wait for: a gate that lets one waiter through for each time that it is opened, and in the end all.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::value::discard;

#[derive(Default)]
pub(crate) struct Gate(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    passes: u32,
    is_open: bool,
    /// By who waits. Who has gone is woken too, as by many things that one can wait for.
    wakers: BTreeMap<u64, Waker>,
    late: Vec<Waker>,
}

/// A new waiter's name.
pub(crate) fn waiter() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Gate {
    // Never locked while foreign code runs.
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self) -> bool {
        let mut inside = self.inside();
        if inside.passes > 0 && !inside.is_open {
            inside.passes -= 1;
            return true;
        }
        inside.is_open
    }

    pub(crate) fn poll(&self, waiter: u64, cx: &Context<'_>) -> Poll<()> {
        if self.pass() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let former = self.inside().wakers.insert(waiter, waker);
        drop(former);
        // It may have been opened by the waker.
        if self.pass() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Keeps a waker for later.
    pub(crate) fn keep(&self, waker: Waker) {
        self.inside().late.push(waker);
    }

    /// Drops those that were kept.
    pub(crate) fn drop_late(&self) {
        let late = mem::take(&mut self.inside().late);
        drop(late);
    }

    pub(crate) fn open(&self) {
        let wakers = {
            let mut inside = self.inside();
            inside.passes += 1;
            mem::take(&mut inside.wakers)
        };
        for_each(wakers.into_values(), Waker::wake);
    }

    pub(crate) fn open_for_ever(&self) {
        self.inside().is_open = true;
        self.open();
    }

    /// Wakes those that wait, for nothing.
    pub(crate) fn wake(&self) {
        let wakers = mem::take(&mut self.inside().wakers);
        for_each(wakers, |(waiter, waker)| {
            let woken = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref()));
            let older = self.put_back(waiter, waker);
            if let Err(payload) = woken {
                discard(older);
                resume_unwind(payload);
            }
        });
    }

    /// Gives back the waker if there is a newer one by now.
    fn put_back(&self, waiter: u64, waker: Waker) -> Option<Waker> {
        match self.inside().wakers.entry(waiter) {
            Entry::Occupied(_) => Some(waker),
            Entry::Vacant(place) => {
                place.insert(waker);
                None
            }
        }
    }

    /// Drops all wakers.
    pub(crate) fn clear(&self) {
        let Inside { wakers, late, .. } = mem::take(&mut *self.inside());
        for_each(wakers.into_values().chain(late), drop);
    }
}

/// For each, also if one panics, which goes on when all are done.
fn for_each<T>(items: impl IntoIterator<Item = T>, f: impl Fn(T)) {
    let mut first = None;
    for item in items {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(item))) {
            match first {
                None => first = Some(payload),
                Some(_) => discard(payload),
            }
        }
    }
    if let Some(payload) = first {
        resume_unwind(payload);
    }
}
