//! Values that belong to the thread on which they were made.

use std::mem::ManuallyDrop;

use super::Home;

/// A value that is only accessible on its home thread. Elsewhere it can be moved and forgotten. It is never dropped
/// unless it is taken out.
pub(crate) struct AtHome<T> {
    home: Home,
    value: ManuallyDrop<T>,
}

// SAFETY: invariant 1: each access to the value compares the threads first, and there is no destructor, so another
// thread can only move its bytes, which no code on the home thread points to between two polls.
unsafe impl<T> Send for AtHome<T> {}

impl<T> AtHome<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        Self { home: Home::here(), value: ManuallyDrop::new(value) }
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.assert_home();
        &self.value
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.assert_home();
        &mut self.value
    }

    #[inline]
    pub(crate) fn take(self) -> T {
        self.assert_home();
        ManuallyDrop::into_inner(self.value)
    }

    #[inline]
    fn assert_home(&self) {
        assert!(self.home.is_here(), "what lives on {} was used on {}", self.home, Home::here());
    }
}
