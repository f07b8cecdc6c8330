//! A connection outside its pool, and how it goes back.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    thread,
};

use deadpool::managed::Object;

use super::manager::Manager;
use crate::Lendable;

/// A connection that goes back to its pool when it is dropped. One that was left in the middle of a query or a
/// transaction is closed instead.
pub struct Lent<C: Lendable> {
    connection: Option<Object<Manager<C>>>,
}

impl<C: Lendable> Lent<C> {
    pub(super) fn new(connection: Object<Manager<C>>) -> Self {
        Self { connection: Some(connection) }
    }
}

impl<C: Lendable> Deref for Lent<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection.as_deref().and_then(Option::as_ref).expect("it is there until it is dropped")
    }
}

impl<C: Lendable> DerefMut for Lent<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection.as_deref_mut().and_then(Option::as_mut).expect("it is there until it is dropped")
    }
}

impl<C: Lendable> Drop for Lent<C> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // A query that is left in its middle leaves no trace in diesel but the unwinding.
        let is_left = thread::panicking() || (*connection).as_mut().is_none_or(|connection| connection.is_left());
        if is_left {
            C::close(Left { connection: Some(connection) });
        }
    }
}

impl<C: Lendable> fmt::Debug for Lent<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}

/// A connection that was left in the middle of something. Dropping it closes it, and then frees its place in the pool.
pub struct Left<C: Lendable> {
    connection: Option<Object<Manager<C>>>,
}

impl<C: Lendable> Left<C> {
    /// The connection.
    #[expect(clippy::missing_panics_doc, reason = "it is there until it is dropped")]
    pub fn get_ref(&self) -> &C {
        self.connection.as_deref().and_then(Option::as_ref).expect("it is there until it is dropped")
    }
}

impl<C: Lendable> Drop for Left<C> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Before anybody else gets the place, so that its locks are free by then.
        drop(connection.take());
        drop(Object::take(connection));
    }
}

impl<C: Lendable> fmt::Debug for Left<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Left").finish_non_exhaustive()
    }
}
