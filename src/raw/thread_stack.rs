//! Leaving the fiber's stack for the thread's own, and measuring how much of either is left.

use super::{State, stack::stack_pointer, with_current};

/// Runs `f` on the thread's own stack if the code is on a fiber's stack; otherwise right here.
pub(crate) fn on_thread_stack<R>(f: impl FnOnce() -> R) -> R {
    let (mut f, mut result) = (Some(f), None);
    cross(&mut || result = f.take().map(|f| f()));
    result.expect("the closure was called")
}

fn cross(f: &mut dyn FnMut()) {
    with_current(|state| match state {
        Some(state) if !state.is_on_thread_stack() => leave(state, f),
        _ => stay(f),
    });
}

/// Not inlined: the stack that `f` needs would otherwise be taken from the fiber before the code has left it.
#[inline(never)]
fn stay(f: &mut dyn FnMut()) {
    f();
}

/// Runs `f` below the frames of the code that resumed this fiber and, if a fiber's stack holds those, of the code that
/// resumed that fiber.
fn leave(state: &State, f: &mut dyn FnMut()) {
    struct Crossing<T>(T);

    // SAFETY: invariant 13: the closure stays on this thread, and has no way to suspend.
    unsafe impl<T> Send for Crossing<T> {}

    impl<T: FnOnce()> Crossing<T> {
        fn run(self) {
            (self.0)();
        }
    }

    let _left = state.leave_stack();
    let crossing = Crossing(|| match state.outer() {
        Some(outer) if !outer.is_on_thread_stack() => leave(outer, f),
        _ => stay(f),
    });
    state.yielder().on_parent_stack(move || crossing.run());
}

/// Bytes between the stack pointer and the end of the stack of a fiber or thread, if that is known.
pub(crate) fn remaining_stack() -> Option<usize> {
    let here = stack_pointer();
    let stack = with_current(|state| match state {
        Some(state) if !state.is_on_thread_stack() => Some(state.usable()),
        _ => thread_limit::get(),
    });
    // The code may be on yet another stack, made by `stacker`.
    stack.filter(|stack| stack.contains(&here)).map(|stack| here - stack.start)
}

#[cfg(target_os = "linux")]
mod thread_limit {
    use std::{cell::Cell, mem::MaybeUninit, ops::Range, ptr};

    thread_local! {
        static ENDS: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    }

    /// The addresses of this thread's stack.
    pub(super) fn get() -> Option<Range<usize>> {
        let ends = ENDS.get().or_else(|| {
            let found = find();
            ENDS.set(found);
            found
        });
        ends.map(|(lowest, highest)| lowest..highest)
    }

    #[cold]
    fn find() -> Option<(usize, usize)> {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        // SAFETY: invariant 12: the call takes nothing and returns this thread's handle.
        let this_thread = unsafe { libc::pthread_self() };
        // SAFETY: invariant 12: the handle is that of this thread, which exists, and the call only fills the
        // attributes.
        let result = unsafe { libc::pthread_getattr_np(this_thread, attributes.as_mut_ptr()) };
        if result != 0 {
            return None;
        }
        let (mut lowest, mut size, mut guard) = (ptr::null_mut(), 0, 0);
        // SAFETY: invariant 12: the attributes were filled by the call that succeeded.
        let stack = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) };
        // SAFETY: invariant 12: the attributes were filled by the call that succeeded, and are only read.
        let guards = unsafe { libc::pthread_attr_getguardsize(attributes.as_ptr(), &raw mut guard) };
        // SAFETY: invariant 12: the attributes were filled by the call that succeeded, and are not used after this.
        unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
        // Depending on its age, glibc counts the guard as part of the stack or not; this is the safe side.
        (stack == 0 && guards == 0).then(|| (lowest.addr() + guard, lowest.addr() + size))
    }
}

#[cfg(not(target_os = "linux"))]
mod thread_limit {
    /// Unknown on this system.
    pub(super) fn get() -> Option<std::ops::Range<usize>> {
        None
    }
}
