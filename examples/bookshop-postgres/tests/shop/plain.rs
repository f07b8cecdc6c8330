//! A connection past the shop, without fibers.

use std::thread;

use bookshop::db::TemporaryDatabase;
use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

/// diesel-async's own way to block, which needs a thread without a runtime.
type Plain = AsyncConnectionWrapper<AsyncPgConnection>;

/// Reads from the database.
pub(crate) fn read<R: Send>(database: &TemporaryDatabase, reads: impl FnOnce(&mut Plain) -> R + Send) -> R {
    let read = || {
        let conn = &mut Plain::establish(database.url()).unwrap();
        conn.batch_execute("SET search_path TO bookshop").unwrap();
        reads(conn)
    };
    thread::scope(|scope| scope.spawn(read).join().unwrap())
}
