//! Pools of connections that are ordinary `diesel::Connection`s inside a fiber.

mod builder;
mod lent;
mod manager;

use std::{fmt, time::Duration};

use deadpool::managed::{self, PoolError, TimeoutType};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use tower_fiber::try_await_in_fiber;

use self::manager::Manager;
pub use self::{
    builder::PoolBuilder,
    lent::{Left, Lent},
};
use crate::{FiberBlockOn, Lendable};

/// A connection of a pool, as an ordinary `diesel::Connection` that waits in the fiber.
pub type Conn<C> = AsyncConnectionWrapper<Lent<C>, FiberBlockOn>;

/// Connections to one database, opened when they are needed. Clones share them.
///
/// A connection goes back when it is dropped, unless it was left in the middle of a query or a transaction: then it is
/// closed, and the next caller gets another one.
///
/// A connection to PostgreSQL belongs to the runtime on which it was opened. Where each core has a runtime, give each a
/// pool.
pub struct Pool<C: Lendable> {
    connections: managed::Pool<Manager<C>>,
    wait: Duration,
    connect: Duration,
}

impl<C: Lendable> Pool<C> {
    /// Makes a pool of at most `max_size` connections, with the defaults of a [`PoolBuilder`].
    pub fn new(url: impl Into<String>, max_size: usize) -> Self {
        Self::builder(url).max_size(max_size).build()
    }

    /// Returns a builder for a pool of connections to a database, such as `postgres://user@localhost/database` or the
    /// path of a SQLite file.
    pub fn builder(url: impl Into<String>) -> PoolBuilder<C> {
        PoolBuilder::new(url.into())
    }

    /// Returns how the pool is used at this moment.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let deadpool::Status { max_size, size, available, waiting, .. } = self.connections.status();
        PoolStatus { max_size, size, available, waiting }
    }

    /// Waits in the fiber for a connection.
    ///
    /// # Errors
    ///
    /// diesel's own if none can be opened; [`ConnectionError::BadConnection`] if none comes free in time, if the fiber
    /// is cancelled, and outside a fiber and `block_on_waits`.
    #[track_caller]
    pub fn get(&self) -> ConnectionResult<Conn<C>> {
        self.get_lent().map(Conn::from)
    }

    /// Waits in the fiber for a connection, without the wrapper.
    #[track_caller]
    pub(crate) fn get_lent(&self) -> ConnectionResult<Lent<C>> {
        try_await_in_fiber(self.lend())
            .unwrap_or_else(|refused| Err(ConnectionError::BadConnection(refused.to_string())))
    }

    /// Waits for a connection in asynchronous code, which uses it as diesel-async's. `Conn::from` makes it synchronous.
    ///
    /// # Errors
    ///
    /// diesel's own if none can be opened; [`ConnectionError::BadConnection`] if none comes free in time.
    pub async fn lend(&self) -> ConnectionResult<Lent<C>> {
        let text = match self.connections.get().await {
            Ok(connection) => return Ok(Lent::new(connection)),
            Err(PoolError::Backend(error)) => return Err(error),
            Err(PoolError::Timeout(TimeoutType::Wait)) => format!(
                "none of {} connections came free within {:?}: give one back before waiting for something else, never wait for a \
                 second one while holding one, or let there be more",
                self.status().max_size,
                self.wait
            ),
            Err(PoolError::Timeout(_)) => format!("the database did not answer within {:?}", self.connect),
            Err(error) => error.to_string(),
        };
        Err(ConnectionError::BadConnection(text))
    }
}

/// How a pool is used; returned by [`Pool::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// How many connections may be open at once.
    pub max_size: usize,
    /// How many are.
    pub size: usize,
    /// How many of them are not lent.
    pub available: usize,
    /// How many callers wait for one.
    pub waiting: usize,
}

impl<C: Lendable> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self { connections: self.connections.clone(), wait: self.wait, connect: self.connect }
    }
}

impl<C: Lendable> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("connections", &self.status())
            .field("wait", &self.wait)
            .field("connect", &self.connect)
            .finish()
    }
}
