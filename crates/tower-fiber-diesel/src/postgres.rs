//! PostgreSQL by tokio-postgres: [`PgPool`], and transactions with an isolation level.

use diesel::{ConnectionResult, result::Error};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection as _, AsyncPgConnection, pooled_connection::PoolableConnection as _,
};
use tower_fiber::await_in_fiber;

use crate::{Conn, Lendable, Pool, transaction};

/// A pool of connections to PostgreSQL.
pub type PgPool = Pool<AsyncPgConnection>;

/// A connection to PostgreSQL. With `use tower_fiber_diesel::PgConn as PgConnection`, functions that take diesel's
/// `&mut PgConnection` compile as they are.
pub type PgConn = Conn<AsyncPgConnection>;

impl Lendable for AsyncPgConnection {
    // A server that restarts breaks its connections.
    const IS_TRIED: bool = true;

    async fn open(url: String) -> ConnectionResult<Self> {
        Self::establish(&url).await
    }

    fn is_left(&mut self) -> bool {
        self.is_broken()
    }
}

/// `build_transaction`, as diesel's `PgConnection` has it.
pub trait BuildTransaction {
    /// Returns a builder for a transaction with an isolation level, a mode, or both.
    ///
    /// # Examples
    ///
    /// ```
    /// use diesel::{prelude::*, sql_query};
    /// use tower_fiber::run_in_fiber;
    /// use tower_fiber_diesel::{PgConn as PgConnection, PgPool, postgres::BuildTransaction as _};
    ///
    /// fn close_the_books(conn: &mut PgConnection) -> QueryResult<usize> {
    ///     conn.build_transaction().serializable().read_only().run(|conn| sql_query("SELECT 1").execute(conn))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(server) = servers::postgresql() else { return Ok(()) };
    /// # let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
    /// let pool = PgPool::new(url, 10);
    /// let closed = run_in_fiber(move || Ok::<_, ConnectionError>(close_the_books(&mut pool.get()?)));
    /// assert_eq!(closed.await??, 1);
    /// # Ok(())
    /// # }
    /// ```
    fn build_transaction(&mut self) -> TransactionBuilder<'_>;
}

impl BuildTransaction for PgConn {
    fn build_transaction(&mut self) -> TransactionBuilder<'_> {
        TransactionBuilder { conn: self, level: "", mode: "", deferrable: "" }
    }
}

/// Builds a transaction; made by [`BuildTransaction::build_transaction`]. Its methods are those of diesel's builder.
#[must_use = "a builder does nothing until `run` is called"]
pub struct TransactionBuilder<'a> {
    conn: &'a mut PgConn,
    level: &'static str,
    mode: &'static str,
    deferrable: &'static str,
}

impl TransactionBuilder<'_> {
    /// `READ ONLY`.
    pub fn read_only(mut self) -> Self {
        self.mode = " READ ONLY";
        self
    }

    /// `READ WRITE`.
    pub fn read_write(mut self) -> Self {
        self.mode = " READ WRITE";
        self
    }

    /// `DEFERRABLE`.
    pub fn deferrable(mut self) -> Self {
        self.deferrable = " DEFERRABLE";
        self
    }

    /// `NOT DEFERRABLE`.
    pub fn not_deferrable(mut self) -> Self {
        self.deferrable = " NOT DEFERRABLE";
        self
    }

    /// `ISOLATION LEVEL READ COMMITTED`.
    pub fn read_committed(mut self) -> Self {
        self.level = " ISOLATION LEVEL READ COMMITTED";
        self
    }

    /// `ISOLATION LEVEL REPEATABLE READ`.
    pub fn repeatable_read(mut self) -> Self {
        self.level = " ISOLATION LEVEL REPEATABLE READ";
        self
    }

    /// `ISOLATION LEVEL SERIALIZABLE`.
    pub fn serializable(mut self) -> Self {
        self.level = " ISOLATION LEVEL SERIALIZABLE";
        self
    }

    /// Calls `f` in the transaction, and commits it, or rolls it back if `f` fails.
    ///
    /// # Errors
    ///
    /// Those of `f`; diesel's own if the transaction cannot be begun or ended, [`Error::AlreadyInTransaction`] inside
    /// another one.
    ///
    /// # Panics
    ///
    /// Outside a fiber and `block_on_waits`.
    #[track_caller]
    pub fn run<T, E, F>(&mut self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut PgConn) -> Result<T, E>,
        E: From<Error>,
    {
        let sql = format!("BEGIN TRANSACTION{}{}{}", self.level, self.mode, self.deferrable);
        let begin = |conn: &mut PgConn| {
            let connection: &mut AsyncPgConnection = conn;
            await_in_fiber(AnsiTransactionManager::begin_transaction_sql(connection, &sql))
        };
        transaction::run(self.conn, begin, f)
    }
}

impl std::fmt::Debug for TransactionBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { level, mode, deferrable, .. } = self;
        f.debug_tuple("TransactionBuilder").field(&format_args!("{level}{mode}{deferrable}")).finish()
    }
}
