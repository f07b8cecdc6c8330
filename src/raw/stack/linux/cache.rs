//! Each thread's last few stacks: taking and returning one costs a few instructions.

use std::{cell::RefCell, cmp::Reverse};

use super::{class::Class, idle::Idle};

/// How many stacks of one size a thread keeps at hand.
const KEPT: usize = 16;

/// How many stacks move at once to the thread's other idle ones, and back.
const BATCH: usize = KEPT / 2;

/// After so many returns to a thread it looks at what it has not needed.
const RETURNS_PER_LOOK: u32 = 64;

thread_local! {
    static CACHE: Cache = const { Cache(RefCell::new(Vec::new())) };
}

/// The stacks at hand, by the index of their class.
struct Cache(RefCell<Vec<AtHand>>);

struct AtHand {
    bases: Vec<usize>,
    /// This thread's other stacks.
    idle: &'static Idle,
    returns: u32,
}

/// The stack that was returned last on this thread; `None` while the thread is ending.
#[inline]
pub(super) fn pop_warm(class: &'static Class) -> Option<usize> {
    CACHE.try_with(|cache| cache.0.borrow_mut().get_mut(class.index)?.bases.pop()).ok().flatten()
}

/// A free stack, when none is at hand: this thread's own first.
#[cold]
pub(super) fn take_shared(class: &'static Class) -> Option<usize> {
    let cached = CACHE.try_with(|cache| {
        let mut cache = cache.0.borrow_mut();
        let AtHand { bases, idle, .. } = AtHand::of(&mut cache, class);
        idle.take(bases, BATCH);
        if bases.is_empty() {
            class.take(bases, BATCH);
        }
        bases.pop()
    });
    cached.unwrap_or_else(|_| {
        let mut bases = Vec::new();
        class.take(&mut bases, 1);
        bases.pop()
    })
}

#[inline]
pub(super) fn put(class: &'static Class, base: usize) {
    let is_kept = CACHE.try_with(|cache| match cache.0.borrow_mut().get_mut(class.index) {
        // The capacity was reserved up front, so this never allocates.
        Some(at_hand) if at_hand.bases.len() < at_hand.bases.capacity() => {
            at_hand.bases.push(base);
            at_hand.returns += 1;
            if at_hand.returns == RETURNS_PER_LOOK {
                at_hand.look();
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
        let AtHand { bases, idle, .. } = AtHand::of(&mut cache, class);
        if bases.len() >= KEPT {
            idle.add(bases.drain(..BATCH));
        }
        bases.push(base);
    });
    if is_kept.is_err() {
        class.put(vec![base]);
    }
}

/// Gives this thread's stacks to the calls that wait for one.
#[cold]
pub(super) fn flush() {
    _ = CACHE.try_with(|cache| cache.0.borrow_mut().iter_mut().for_each(AtHand::flush));
}

impl AtHand {
    fn of<'a>(cache: &'a mut Vec<Self>, class: &'static Class) -> &'a mut Self {
        // Indices are assigned consecutively, and most programs have one or two.
        while cache.len() <= class.index {
            let idle = Idle::of_thread(Class::at(cache.len()));
            cache.push(Self { bases: Vec::with_capacity(KEPT), idle, returns: 0 });
        }
        &mut cache[class.index]
    }

    /// Lets the thread's other stacks age, and exchanges these for such with lower addresses if some go.
    #[cold]
    fn look(&mut self) {
        self.returns = 0;
        let bases = &mut self.bases;
        let is_over = self.idle.age(|idle| {
            let at_hand = bases.len();
            bases.append(idle);
            bases.sort_unstable_by_key(|&base| Reverse(base));
            idle.extend(bases.drain(..bases.len() - at_hand));
        });
        bases.shrink_to(KEPT);
        if is_over {
            bases.iter().for_each(|&base| self.idle.class().trim_deep(base));
        }
    }

    fn flush(&mut self) {
        self.idle.class().put(self.bases.drain(..).collect());
        self.idle.flush();
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for at_hand in self.0.get_mut() {
            at_hand.flush();
            at_hand.idle.release();
        }
    }
}
