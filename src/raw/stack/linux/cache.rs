//! Each thread's cache of recently used stacks: taking and returning one costs a few instructions.

use std::{cell::RefCell, cmp::Reverse, io};

use super::class::Class;

/// How many stacks of one size a thread keeps for itself. These few may hold memory that a deep call has touched.
const KEPT: usize = 16;

/// How many stacks move at once between a thread and the class.
const BATCH: usize = KEPT / 2;

/// After this many returns to a thread, one of its idle stacks moves to the class.
const RETURNS_PER_MOVE: u32 = 256;

thread_local! {
    static CACHE: Cache = const { Cache(RefCell::new(Vec::new())) };
}

/// The idle stacks, by the index of their class.
struct Cache(RefCell<Vec<Idle>>);

/// The stacks with the lowest addresses stay. Otherwise the last stacks of a burst would keep whole slabs mapped in
/// which nothing else is used.
struct Idle {
    class: &'static Class,
    bases: Vec<usize>,
    returns: u32,
}

/// The stack that was returned last on this thread; `None` while the thread is ending.
#[inline]
pub(super) fn take_warm(class: &'static Class) -> Option<usize> {
    CACHE.try_with(|cache| cache.0.borrow_mut().get_mut(class.index)?.bases.pop()).ok().flatten()
}

/// A free stack, this thread's own first.
pub(super) fn take(class: &'static Class, reserve: bool) -> io::Result<usize> {
    take_warm(class).map_or_else(|| take_shared(class, reserve), Ok)
}

#[cold]
fn take_shared(class: &'static Class, reserve: bool) -> io::Result<usize> {
    let cached = CACHE.try_with(|cache| {
        let mut cache = cache.0.borrow_mut();
        let idle = Idle::of(&mut cache, class);
        class.take(&mut idle.bases, BATCH);
        idle.bases.pop()
    });
    match cached {
        Ok(Some(base)) => Ok(base),
        Ok(None) => class.make(reserve),
        Err(_) => {
            let mut bases = Vec::new();
            class.take(&mut bases, 1);
            bases.pop().map_or_else(|| class.make(reserve), Ok)
        }
    }
}

#[inline]
pub(super) fn put(class: &'static Class, base: usize) {
    let is_kept = CACHE.try_with(|cache| match cache.0.borrow_mut().get_mut(class.index) {
        // The capacity was reserved up front, so this never allocates.
        Some(idle) if idle.bases.len() < idle.bases.capacity() => {
            idle.bases.push(base);
            idle.returns += 1;
            if idle.returns == RETURNS_PER_MOVE {
                idle.move_one();
            }
            true
        }
        _ => false,
    });
    if is_kept != Ok(true) {
        put_shared(class, base);
    }
}

#[cold]
fn put_shared(class: &'static Class, base: usize) {
    let is_kept = CACHE.try_with(|cache| {
        let mut cache = cache.0.borrow_mut();
        let idle = Idle::of(&mut cache, class);
        if idle.bases.len() >= KEPT {
            idle.bases.sort_unstable_by_key(|&base| Reverse(base));
            class.put(idle.bases.drain(..BATCH));
        }
        idle.bases.push(base);
    });
    if is_kept.is_err() {
        class.put([base].into_iter());
    }
}

/// Gives this thread's idle stacks to the calls that wait for one.
#[cold]
pub(super) fn flush() {
    _ = CACHE.try_with(|cache| cache.0.borrow_mut().iter_mut().for_each(Idle::flush));
}

impl Idle {
    fn of<'a>(cache: &'a mut Vec<Self>, class: &'static Class) -> &'a mut Self {
        // Indices are assigned consecutively, and most programs have one or two.
        while cache.len() <= class.index {
            let class = Class::at(cache.len());
            cache.push(Self { class, bases: Vec::with_capacity(KEPT), returns: 0 });
        }
        &mut cache[class.index]
    }

    #[cold]
    fn move_one(&mut self) {
        self.returns = 0;
        self.bases.sort_unstable_by_key(|&base| Reverse(base));
        self.class.put(self.bases.drain(..1));
    }

    fn flush(&mut self) {
        if !self.bases.is_empty() {
            self.class.put(self.bases.drain(..));
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.0.get_mut().iter_mut().for_each(Idle::flush);
    }
}
