//! [`Seldom`].

use std::{
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// A value that most calls lack. Its drop is an inline test: the drop glue of an `Option` would cost each call a
/// function.
pub(crate) struct Seldom<T>(ManuallyDrop<Option<T>>);

impl<T> Seldom<T> {
    #[inline]
    pub(crate) const fn new(value: Option<T>) -> Self {
        Self(ManuallyDrop::new(value))
    }

    #[cold]
    fn drop_value(&mut self) {
        *self.0 = None;
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<T> Deref for Seldom<T> {
    type Target = Option<T>;

    #[inline]
    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

impl<T> DerefMut for Seldom<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.0
    }
}

impl<T> Drop for Seldom<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_some() {
            self.drop_value();
        }
    }
}
