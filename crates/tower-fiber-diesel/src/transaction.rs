//! How a transaction that begins in a way of its own ends.

use diesel::{
    QueryResult,
    connection::{Connection, TransactionManager as _},
    result::Error,
};

use crate::{Conn, Lendable};

type Manager<C> = <Conn<C> as Connection>::TransactionManager;

/// Calls `f` in the transaction that `begin` begins, and commits it, or rolls it back if `f` fails, as diesel does.
pub(crate) fn run<C, T, E>(
    conn: &mut Conn<C>,
    begin: impl FnOnce(&mut Conn<C>) -> QueryResult<()>,
    f: impl FnOnce(&mut Conn<C>) -> Result<T, E>,
) -> Result<T, E>
where
    C: Lendable,
    E: From<Error>,
{
    begin(conn)?;
    match f(conn) {
        Ok(value) => {
            Manager::<C>::commit_transaction(conn)?;
            Ok(value)
        }
        Err(error) => match Manager::<C>::rollback_transaction(conn) {
            // The error of `f` is the likely cause of a broken transaction.
            Ok(()) | Err(Error::BrokenTransactionManager) => Err(error),
            Err(rollback) => Err(rollback.into()),
        },
    }
}
