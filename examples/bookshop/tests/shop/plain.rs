//! A connection past the shop: diesel's own to SQLite.

use bookshop::db::TemporaryDatabase;
use diesel::{Connection, SqliteConnection};

/// Reads from the database.
pub(crate) fn read<R>(database: &TemporaryDatabase, reads: impl FnOnce(&mut SqliteConnection) -> R) -> R {
    let file = database.file();
    reads(&mut SqliteConnection::establish(file.to_str().unwrap()).unwrap())
}
