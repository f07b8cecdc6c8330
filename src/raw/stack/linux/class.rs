//! All stacks of one size and the slabs that they lie in, shared by all threads.

use std::{
    io, iter,
    sync::{Mutex, atomic::AtomicUsize},
};

use super::{
    guard,
    slab::Slab,
    sys::{self, page_size},
};
use crate::util::lock::lock;

/// Slots of the first slab. Each later slab has as many as all before it together.
const FIRST_SLOTS: usize = 16;

/// If the address space is limited, all but the first slab leave this much of it to the rest of the process, whose
/// failing allocations would abort it.
const SPARE_BYTES: usize = 64 * 1024 * 1024;

/// An empty slab is kept if no more than this many of its slots were used.
const KEPT_SLOTS: usize = 64;

/// How much memory a stack keeps when it is trimmed.
const KEPT_BYTES: usize = 32 * 1024;

/// Stacks larger than this are trimmed.
const TRIMMED_SIZE: usize = 2 * KEPT_BYTES;

/// All classes, by their index. They are never freed.
static CLASSES: Mutex<Vec<&'static Class>> = Mutex::new(Vec::new());

#[derive(Debug)]
pub(super) struct Class {
    pub(super) index: usize,
    /// Usable bytes of each stack: whole pages.
    pub(super) size: usize,
    /// The slabs in the order of their mapping. The first ones are used first, so that the last ones become empty.
    slabs: Mutex<Vec<Slab>>,
    /// How many calls wait for a stack of this size.
    pub(super) waiting: AtomicUsize,
}

impl Class {
    /// The class for stacks of at least `size` bytes.
    pub(super) fn of_size(size: usize) -> &'static Self {
        let size = size.next_multiple_of(page_size());
        let mut classes = lock(&CLASSES);
        if let Some(class) = classes.iter().find(|class| class.size == size) {
            return class;
        }
        let class = Box::leak(Box::new(Self {
            index: classes.len(),
            size,
            slabs: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }));
        classes.push(class);
        class
    }

    pub(super) fn at(index: usize) -> &'static Self {
        lock(&CLASSES)[index]
    }

    /// Takes up to `most` free slots.
    pub(super) fn take(&self, into: &mut Vec<usize>, most: usize) {
        let mut slabs = lock(&self.slabs);
        for slab in slabs.iter_mut() {
            let missing = most - into.len();
            into.extend(iter::from_fn(|| slab.take()).take(missing));
        }
    }

    pub(super) fn has_idle(&self) -> bool {
        lock(&self.slabs).iter().any(Slab::has_idle)
    }

    /// Makes a new slot with its guard.
    pub(super) fn make(&self, reserve: bool) -> io::Result<usize> {
        self.carve(reserve).or_else(|error| {
            // The missing resource may be held, unused, by another size.
            let others = lock(&CLASSES).clone();
            let is_spared = others.into_iter().filter(|other| other.index != self.index).any(Self::spare);
            if is_spared { self.carve(reserve) } else { Err(error) }
        })
    }

    fn carve(&self, reserve: bool) -> io::Result<usize> {
        let mut slabs = lock(&self.slabs);
        let mut error = None;
        for slab in slabs.iter_mut() {
            match slab.carve(reserve) {
                Some(Ok(base)) => return Ok(base),
                // A slab with the other kind of guard may still have room.
                Some(Err(e)) => error = Some(e),
                None => {}
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
        let slots: usize = slabs.iter().map(Slab::slots).sum();
        let spare = if slots > 0 { SPARE_BYTES } else { 0 };
        let mut slab = Slab::map(self.size, slots.max(FIRST_SLOTS), spare)?;
        let base = slab.carve(reserve).expect("a new slab has a slot")?;
        slabs.push(slab);
        Ok(base)
    }

    /// Gives up a free slab or guard. `true` if one was found.
    fn spare(&self) -> bool {
        let mut slabs = lock(&self.slabs);
        if let Some(index) = slabs.iter().position(Slab::is_empty) {
            drop(slabs.remove(index));
            return true;
        }
        slabs.iter_mut().any(Slab::bare)
    }

    /// Takes slots back from a thread. They are trimmed, since it may be long before they are used again.
    pub(super) fn put(&self, mut bases: Vec<usize>) {
        if bases.is_empty() {
            return;
        }
        bases.sort_unstable();
        // Neighbours are trimmed by one system call. It leaves the guards between them as they are.
        let stride = guard::SIZE + self.size;
        bases.chunk_by(|&one, &next| next - one == stride).for_each(|run| self.trim(run[0], run[run.len() - 1]));
        let mut empty = Vec::new();
        {
            let mut slabs = lock(&self.slabs);
            let mut index = 0;
            for base in bases {
                // In order of their addresses, one after the other lies in the same slab.
                if !slabs.get_mut(index).is_some_and(|slab| slab.put(base)) {
                    let is_taken = |slab: &mut Slab| slab.put(base);
                    index = slabs.iter_mut().position(is_taken).expect("a slot lies in a slab of its class");
                }
                let slab = &slabs[index];
                if index > 0 && slab.is_empty() && slab.carved() > KEPT_SLOTS {
                    empty.push(slabs.remove(index));
                }
            }
        }
        // Unmapped after the lock is released, since a slab may be gigabytes.
        drop(empty);
    }

    /// Gives the memory of a free stack back, except for its upper end, if a call has used more of it. A deep call
    /// whose frames left a gap right there is missed.
    pub(super) fn trim_deep(&self, base: usize) {
        if self.size <= TRIMMED_SIZE || sys::are_pages_kept() {
            return;
        }
        // SAFETY: invariant 8: the caller has this slot. Its size is whole pages and more than `TRIMMED_SIZE`, so at
        // least a page of it lies below the address, which is aligned as the slot's upper end is.
        let is_deep = unsafe { sys::is_used(base - TRIMMED_SIZE) };
        if is_deep {
            self.trim(base, base);
        }
    }

    /// Gives the memory of free stacks that are neighbours back, except for the upper end of the last.
    fn trim(&self, first: usize, last: usize) {
        if self.size > TRIMMED_SIZE {
            // Locked pages are meant to stay in memory, and do.
            // SAFETY: invariant 8: the caller has these slots, and no data in them is in use. They are neighbours, so
            // nothing but their guards lies between them.
            let _is_given_back = unsafe { sys::discard(first - self.size, last - KEPT_BYTES) };
        }
    }
}
