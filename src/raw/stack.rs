//! Stacks and their reuse.

use std::{cell::RefCell, io};

use corosensei::stack::{DefaultStack, Stack, StackPointer};

/// Idle stacks that one thread keeps.
const KEPT: usize = 64;

thread_local! {
    static IDLE: RefCell<Vec<FiberStack>> = const { RefCell::new(Vec::new()) };
}

/// A guarded stack of at least `size` usable bytes.
pub(super) struct FiberStack {
    stack: DefaultStack,
    size: usize,
}

impl FiberStack {
    /// Takes the thread's most recently returned stack of this size, or maps a new one.
    pub(super) fn take(size: usize) -> io::Result<Self> {
        let idle = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            let index = idle.iter().rposition(|stack| stack.size == size)?;
            Some(idle.remove(index))
        });
        match idle {
            Ok(Some(stack)) => Ok(stack),
            // Also when the thread is ending and its cache is gone.
            Ok(None) | Err(_) => Ok(Self { stack: DefaultStack::new(size)?, size }),
        }
    }

    /// Returns the stack of a fiber that has ended (invariant 8) for reuse.
    pub(super) fn give_back(self) {
        _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < KEPT {
                idle.push(self);
            }
        });
    }
}

// SAFETY: invariant 8: both bounds are those of the `DefaultStack` that this value owns, which is mapped, guarded and no
// smaller than corosensei's minimum for as long as it lives.
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
