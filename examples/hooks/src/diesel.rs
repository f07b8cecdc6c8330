//! diesel's synchronous queries and transactions, unchanged, on PostgreSQL: where they wait for the server, the fiber waits.
//!
//! diesel-async speaks to the server in Rust, without libpq, and has a wrapper that is a `diesel::Connection` over any [`BlockOn`].
//! [`FiberBlockOn`] is one for fibers. The rest is a pool: [`Pool::get`] waits for a connection.
//!
//! ```
//! use diesel::{prelude::*, sql_query};
//! use hooks::diesel::Pool;
//! use tower_fiber::run_in_fiber;
//!
//! // Plain diesel, as it would be with a `PgConnection`.
//! fn greet(conn: &mut impl Connection<Backend = diesel::pg::Pg>) -> QueryResult<()> {
//!     conn.transaction(|conn| {
//!         sql_query("create temporary table greetings (text text not null)").execute(conn)?;
//!         sql_query("insert into greetings values ('hello')").execute(conn)?;
//!         Ok(())
//!     })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let Some(server) = servers::postgresql() else { return };
//! # let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
//! let pool = Pool::new(url, 10);
//! let greeted = run_in_fiber(move || greet(&mut pool.get().expect("the server runs")));
//! greeted.await.expect("the table is new");
//! # }
//! ```
//!
//! # The pool
//!
//! It is deadpool's; bb8 does as well, but says only that time is up where a server refuses connections. r2d2 does not: it waits by a
//! condition variable, which blocks the thread on which another fiber would give its connection back.
//!
//! A connection's task lives on the runtime on which it was made. Where each core has a runtime, give each a pool.
//!
//! # When the caller goes
//!
//! | policy | what happens |
//! |---|---|
//! | [`Finish`](tower_fiber::OnDrop::Finish) | the transaction goes on to its end |
//! | [`Cancel`](tower_fiber::OnDrop::Cancel) | so do queries, since `BlockOn` has no error to give; [`Pool::get`] and what else is waited for by [`try_await_in_fiber`] fail. Code that returns that error from the transaction has it rolled back |
//! | [`Unwind`](tower_fiber::OnDrop::Unwind), and a panic | the transaction is left open, in the middle of a query or between two. Its connection does not go back to the pool: [`Lent`] closes it, and the server rolls back |
//!
//! deadpool alone would look at such a connection only when it is lent the next time: until then the server would hold the
//! transaction's locks, and a query that was left would make the next one wait.
//!
//! PostgreSQL sees that a connection is closed when it reads or writes, so a query that is left in its middle runs to its end first. With
//! `?options=-c%20client_connection_check_interval%3D1s` in the URL it looks each second.
//!
//! # Outside a fiber
//!
//! [`Pool::get`] fails with a text that says so, and a query panics with it. Tests, tools and threads call the same code by
//! [`block_on_waits`](tower_fiber::block_on_waits), inside a runtime that they have entered if connections are to outlive the call.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    thread,
    time::Duration,
};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncPgConnection,
    async_connection_wrapper::{AsyncConnectionWrapper, BlockOn},
    pooled_connection::{
        AsyncDieselConnectionManager, PoolError as DieselError, PoolableConnection as _,
        deadpool::{Object, Pool as Deadpool, PoolError},
    },
};
use tokio::time::timeout;
use tower_fiber::{await_in_fiber, try_await_in_fiber};

/// How diesel-async's synchronous wrapper waits for its futures.
#[derive(Clone, Copy, Debug, Default)]
pub struct FiberBlockOn;

impl BlockOn for FiberBlockOn {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        await_in_fiber(future)
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// A connection of the pool that is an ordinary `diesel::Connection` inside a fiber.
pub type Conn = AsyncConnectionWrapper<Lent, FiberBlockOn>;

/// Connections to one database, made when they are needed. Clones share them.
#[derive(Clone)]
pub struct Pool {
    connections: Deadpool<AsyncPgConnection>,
    patience: Duration,
}

impl Pool {
    /// A pool of at most `size` connections to a URL such as `postgres://user@localhost/database`.
    #[expect(
        clippy::missing_panics_doc,
        reason = "it fails only if it has time-outs of its own and no runtime for them"
    )]
    pub fn new(url: impl Into<String>, size: usize) -> Self {
        let manager = AsyncDieselConnectionManager::new(url);
        let connections = Deadpool::builder(manager).max_size(size).build().expect("it has no time-outs");
        Self { connections, patience: Duration::from_secs(10) }
    }

    /// How long [`get`](Self::get) waits: 10 seconds if nothing else is said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for a connection, and for the server to answer on it.
    ///
    /// # Errors
    ///
    /// diesel's own if there is none to be had; [`ConnectionError::BadConnection`] if none came back in time, if the
    /// fiber was cancelled, and outside a fiber.
    pub fn get(&self) -> ConnectionResult<Conn> {
        match try_await_in_fiber(timeout(self.patience, self.connections.get())) {
            Ok(Ok(Ok(connection))) => Ok(Conn::from(Lent(Some(connection)))),
            Ok(Ok(Err(PoolError::Backend(DieselError::ConnectionError(error))))) => Err(error),
            Ok(Ok(Err(error))) => Err(ConnectionError::BadConnection(error.to_string())),
            Ok(Err(_)) => Err(ConnectionError::BadConnection(self.exhausted())),
            Err(refused) => Err(ConnectionError::BadConnection(refused.to_string())),
        }
    }

    fn exhausted(&self) -> String {
        let (size, patience) = (self.connections.status().max_size, self.patience);
        format!(
            "none of {size} connections came free, or could be made, within {patience:?}: give them back before waiting for \
             something else, never wait for a second while holding one, or let there be more"
        )
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("connections", &self.connections.status())
            .field("patience", &self.patience)
            .finish()
    }
}

/// A connection that goes back to its pool when it is dropped, unless in the middle of something: then it is closed.
pub struct Lent(Option<Object<AsyncPgConnection>>);

impl Deref for Lent {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.0.take() else { return };
        // A query that is left in its middle leaves no trace but the unwinding.
        if thread::panicking() || connection.is_broken() {
            drop(Object::take(connection));
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}
