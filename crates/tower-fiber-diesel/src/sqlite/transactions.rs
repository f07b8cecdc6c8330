//! Transactions of SQLite's that begin in another way.

use diesel::{connection::AnsiTransactionManager, result::Error};
use tower_fiber::await_in_fiber;

use super::SqliteConn;
use crate::transaction;

/// Transactions as diesel's `SqliteConnection` has them.
pub trait SqliteTransactions {
    /// Calls `f` in a transaction that begins by `BEGIN IMMEDIATE`.
    ///
    /// # Errors
    ///
    /// Those of `f`; diesel's own if the transaction cannot be begun or ended, [`Error::AlreadyInTransaction`] inside
    /// another one.
    ///
    /// # Panics
    ///
    /// Outside a fiber and `block_on_waits`.
    fn immediate_transaction<T, E, F>(&mut self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<Error>;

    /// Calls `f` in a transaction that begins by `BEGIN EXCLUSIVE`.
    ///
    /// # Errors
    ///
    /// As [`immediate_transaction`](Self::immediate_transaction).
    ///
    /// # Panics
    ///
    /// As [`immediate_transaction`](Self::immediate_transaction).
    fn exclusive_transaction<T, E, F>(&mut self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<Error>;
}

impl SqliteTransactions for SqliteConn {
    #[track_caller]
    fn immediate_transaction<T, E, F>(&mut self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<Error>,
    {
        run(self, "BEGIN IMMEDIATE", f)
    }

    #[track_caller]
    fn exclusive_transaction<T, E, F>(&mut self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<Error>,
    {
        run(self, "BEGIN EXCLUSIVE", f)
    }
}

#[track_caller]
fn run<T, E: From<Error>>(
    conn: &mut SqliteConn,
    sql: &'static str,
    f: impl FnOnce(&mut SqliteConn) -> Result<T, E>,
) -> Result<T, E> {
    let begin = |conn: &mut SqliteConn| {
        await_in_fiber(conn.spawn_blocking(|conn| AnsiTransactionManager::begin_transaction_sql(conn, sql)))
    };
    transaction::run(conn, begin, f)
}
