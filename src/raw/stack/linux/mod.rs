//! The crate's own stacks, for Linux with 64-bit addresses.
//!
//! ```text
//!  slab     one mapping:  guard │ stack │ guard │ stack │ ...     carved slot by slot, unmapped when all slots are free
//!  class    the slabs of one size; threads move stacks in batches
//!  idle     a thread's idle stacks, and for how long it keeps them
//!  cache    the few of them that it has at hand
//! ```

mod cache;
mod class;
mod guard;
mod idle;
mod place;
mod slab;
mod sys;

use std::{io, mem::ManuallyDrop, ops::Range, sync::atomic::AtomicUsize};

use corosensei::stack::{Stack, StackPointer};

use self::class::Class;
use super::shortage;
#[cfg(feature = "tracing")]
use crate::{raw::foreign::foreign, util::drop_quietly::drop_quietly};

/// Bytes below a stack that end the process when they are touched.
pub(crate) const GUARD_SIZE: usize = guard::SIZE;

/// The source of stacks of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source(&'static Class);

impl Source {
    /// The source of stacks of at least `size` bytes.
    pub(crate) fn of_size(size: usize) -> Self {
        Self(Class::of_size(size))
    }

    /// Whether it has a free stack that any thread can take.
    pub(super) fn has_idle(self) -> bool {
        self.0.has_idle()
    }

    /// How many calls wait for a stack of this size.
    pub(super) fn waiting(self) -> &'static AtomicUsize {
        &self.0.waiting
    }

    /// The stack that this thread returned last.
    #[inline]
    pub(crate) fn take_warm(self) -> Option<FiberStack> {
        let base = cache::pop_warm(self.0).and_then(StackPointer::new)?;
        Some(FiberStack { base, class: self.0 })
    }

    /// Takes a stack. `reserve` allows one that is kept for fibers inside fibers.
    pub(crate) fn take(self, reserve: bool) -> io::Result<FiberStack> {
        let mut taken = self.take_or_make(reserve);
        if taken.is_err() {
            // What is missing may lie idle with other threads.
            idle::flush_all();
            taken = self.take_or_make(reserve);
        }
        if let Some(error) = sys::news_of_marks() {
            report(&error);
        }
        let base = taken?;
        Ok(FiberStack { base: StackPointer::new(base).expect("not at the end of all addresses"), class: self.0 })
    }

    fn take_or_make(self, reserve: bool) -> io::Result<usize> {
        let free = cache::pop_warm(self.0).or_else(|| cache::take_shared(self.0));
        free.map_or_else(|| self.0.make(reserve), Ok)
    }
}

/// Logs that guards cannot be marked, so that fewer stacks are possible.
#[cold]
fn report(error: &io::Error) {
    #[cfg(feature = "tracing")]
    drop_quietly(foreign(|| {
        tracing::info!(
            %error,
            stacks = guard::most_protected(),
            "the system does not mark guards below the stacks of fibers (it does since Linux 6.13, unless a seccomp filter forbids it or \
             memory is locked): each takes two mappings instead, and the sysctl vm.max_map_count limits how many there are [TF29]"
        );
    }));
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

/// The only owner of one slot. Dropping it returns the slot.
#[derive(Debug)]
pub(crate) struct FiberStack {
    base: StackPointer,
    class: &'static Class,
}

impl FiberStack {
    /// The addresses that code on the stack may use.
    #[inline]
    pub(crate) fn usable(&self) -> Range<usize> {
        self.base.get() - self.class.size..self.base.get()
    }

    /// As dropping it, but compiled into the caller.
    #[inline(always)]
    pub(crate) fn give_back(self) {
        let this = ManuallyDrop::new(self);
        give_back(this.base, this.class);
    }

    /// Clears the stack: every byte reads as zero.
    pub(crate) fn wipe(&mut self) {
        let Range { start, end } = self.usable();
        // SAFETY: invariant 8: this is the slot's only owner, and no coroutine has it.
        let is_given_back = unsafe { sys::discard(start, end) };
        if !is_given_back {
            // SAFETY: invariant 8: this is the slot's only owner, no coroutine has it, and its ends are those of whole
            // pages.
            unsafe { sys::overwrite(start, end) };
        }
    }

    /// Bytes from the upper end down to the lowest page that has been touched since it was wiped.
    pub(crate) fn touched(&self) -> usize {
        let Range { start, end } = self.usable();
        if sys::are_pages_kept() {
            // All pages may stay in memory. SAFETY: invariant 8: this is the slot's only owner, no coroutine has it,
            // and its ends are those of whole pages.
            let lowest = unsafe { sys::lowest_used(start, end) };
            return end - lowest;
        }
        end - sys::lowest_resident(start, end)
    }
}

impl Drop for FiberStack {
    #[inline]
    fn drop(&mut self) {
        give_back(self.base, self.class);
    }
}

#[inline(always)]
fn give_back(base: StackPointer, class: &'static Class) {
    cache::put(class, base.get());
    if shortage::is_there() {
        cache::flush();
        shortage::relieve();
    }
}

// SAFETY: invariant 8: the addresses between the two are the slot that this value alone owns, readable and writable,
// with a guard below, and no smaller than the builder's minimum, which is larger than corosensei's.
unsafe impl Stack for FiberStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        // The guard below is not included: the sanitizer may want to read all bytes.
        StackPointer::new(self.base.get() - self.class.size).expect("a stack does not begin at address zero")
    }
}
