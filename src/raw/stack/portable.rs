//! corosensei's stacks, for systems that the crate's own stacks do not support. Untested there.

use std::{cell::RefCell, io, mem::ManuallyDrop, ops::Range, sync::atomic::AtomicUsize};

use corosensei::stack::{DefaultStack, Stack, StackPointer};

use super::shortage;

/// How many idle stacks one thread keeps.
const KEPT: usize = 64;

/// Bytes that corosensei leaves below a stack and counts as part of it, at most. On Windows these are two guard pages,
/// the five that std asks the system for in a thread that overflows, and one that stays reserved; elsewhere it is one
/// page, of which Apple's are the largest.
pub(crate) const GUARD_SIZE: usize = if cfg!(windows) { 8 * 4096 } else { 16 * 1024 };

thread_local! {
    static IDLE: RefCell<Vec<(usize, DefaultStack)>> = const { RefCell::new(Vec::new()) };
}

/// The source of stacks of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    size: usize,
}

impl Source {
    /// The source of stacks of at least `size` bytes.
    pub(crate) fn of_size(size: usize) -> Self {
        Self { size }
    }

    /// Always `false`: idle stacks belong to one thread.
    pub(super) fn has_idle(self) -> bool {
        false
    }

    /// How many calls wait for a stack, of any size.
    pub(super) fn waiting(self) -> &'static AtomicUsize {
        static WAITING: AtomicUsize = AtomicUsize::new(0);
        &WAITING
    }

    /// Always `None`: all stacks come from `take`.
    pub(crate) fn take_warm(self) -> Option<FiberStack> {
        None
    }

    /// Takes the thread's most recently returned stack of this size, or maps a new one.
    pub(crate) fn take(self, _reserve: bool) -> io::Result<FiberStack> {
        let Self { size } = self;
        let idle = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            let index = idle.iter().rposition(|(other, _)| *other == size)?;
            Some(idle.remove(index).1)
        });
        let stack = match idle {
            Ok(Some(stack)) => stack,
            // Also when the thread is ending and its cache is gone.
            Ok(None) | Err(_) => DefaultStack::new(size)?,
        };
        Ok(FiberStack { stack: ManuallyDrop::new(stack), size, is_wiped: false })
    }
}

/// A guarded stack. Dropping it returns it to the thread.
pub(crate) struct FiberStack {
    stack: ManuallyDrop<DefaultStack>,
    size: usize,
    is_wiped: bool,
}

impl FiberStack {
    /// The addresses that code on the stack may use. Except on Windows, corosensei maps the guard in addition to the
    /// size that it was asked for.
    pub(crate) fn usable(&self) -> Range<usize> {
        let base = self.stack.base().get();
        let lowest = if cfg!(windows) { self.stack.limit().get() + GUARD_SIZE } else { base - self.size };
        lowest..base
    }

    pub(crate) fn give_back(self) {
        drop(self);
    }

    /// Clears the stack: it is not used again.
    pub(crate) fn wipe(&mut self) {
        self.is_wiped = true;
    }

    /// Unknown on this system.
    pub(crate) fn touched(&self) -> usize {
        0
    }
}

impl Drop for FiberStack {
    fn drop(&mut self) {
        // SAFETY: invariant 8: only this code takes the stack, and the value is gone after it.
        let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
        let is_short = shortage::is_there();
        if is_short || self.is_wiped {
            drop(stack);
        } else {
            _ = IDLE.try_with(|idle| {
                let mut idle = idle.borrow_mut();
                if idle.len() < KEPT {
                    idle.push((self.size, stack));
                }
            });
        }
        if is_short {
            shortage::relieve();
        }
    }
}

// SAFETY: invariant 8: both bounds are those of the `DefaultStack` that this value owns, which is mapped, guarded and
// no smaller than corosensei's minimum for as long as it lives.
unsafe impl Stack for FiberStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.stack.base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.stack.limit()
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.stack.teb_fields()
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.stack.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}
