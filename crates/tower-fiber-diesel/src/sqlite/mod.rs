//! SQLite on tokio's blocking pool: [`SqlitePool`], a whole function at a time by [`with`](SqlitePool::with), or query
//! by query by [`get`](Pool::get).

mod connection;
mod transactions;
mod work;

use diesel::{ConnectionResult, SqliteConnection};
use tower_fiber::{WaitExt as _, offload};

pub use self::{connection::AsyncSqliteConnection, transactions::SqliteTransactions, work::BlockingPool};
use crate::{Conn, Pool};

/// A pool of connections to a SQLite database.
///
/// SQLite lets one transaction write at a time. A pool of one connection for writing makes the others queue in their
/// fibers. Without it they meet a locked database; if `busy_timeout` is set, SQLite waits for it on a blocking thread.
pub type SqlitePool = Pool<AsyncSqliteConnection>;

/// A connection to SQLite that waits in the fiber, query by query.
pub type SqliteConn = Conn<AsyncSqliteConnection>;

impl SqlitePool {
    /// Waits for a connection, and calls `f` with it on tokio's blocking pool, as [`offload`] does. `f` has diesel's
    /// own connection, so functions that take `&mut SqliteConnection` run as they are, and a transaction is one trip to
    /// another thread.
    ///
    /// # Cancel safety
    ///
    /// Once `f` has begun, it runs to its end, and so do its transactions; then the connection goes back to the pool.
    ///
    /// # Errors
    ///
    /// As [`get`](Pool::get).
    ///
    /// # Panics
    ///
    /// If `f` does, with the same payload; the connection is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use diesel::{prelude::*, sql_query};
    /// use tower_fiber::run_in_fiber;
    /// use tower_fiber_diesel::SqlitePool;
    ///
    /// fn greet(conn: &mut SqliteConnection) -> QueryResult<usize> {
    ///     conn.immediate_transaction(|conn| {
    ///         sql_query("CREATE TABLE greetings (text TEXT NOT NULL)").execute(conn)?;
    ///         sql_query("INSERT INTO greetings VALUES ('hello')").execute(conn)
    ///     })
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = SqlitePool::builder(":memory:").max_size(1).setup("PRAGMA foreign_keys = ON").build();
    /// let greeted = run_in_fiber(move || pool.with(greet));
    /// assert_eq!(greeted.await??, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn with<F, R>(&self, f: F) -> ConnectionResult<R>
    where
        F: FnOnce(&mut SqliteConnection) -> R + Send + 'static,
        R: Send + 'static,
    {
        let mut lent = self.get_lent()?;
        // There the connection runs `f` at once, on the thread where it is.
        let run = move || lent.spawn_blocking(move |conn| Ok(f(conn))).wait();
        Ok(offload(run).expect("it runs on a thread that is there"))
    }
}
