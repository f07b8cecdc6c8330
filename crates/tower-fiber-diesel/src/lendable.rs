//! [`Lendable`]: what a pool must know of a connection.

use diesel::ConnectionResult;
use diesel_async::AsyncConnection;

use crate::Left;

/// An asynchronous connection that a [`Pool`](crate::Pool) can lend.
pub trait Lendable: AsyncConnection + Sized + 'static {
    /// Whether the pool tries a connection by a query before it lends it again.
    const IS_TRIED: bool;

    /// Opens a connection.
    fn open(url: String) -> impl Future<Output = ConnectionResult<Self>> + Send;

    /// Whether the connection is of no use to the next caller: a transaction is open on it, a query runs, or it is
    /// broken.
    fn is_left(&mut self) -> bool;

    /// Closes a connection that was left in the middle of something. The default does so at once.
    fn close(left: Left<Self>) {
        drop(left);
    }
}
