//! The database: a SQLite file in a temporary directory, and the pools of connections to it.

use std::error::Error;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::sqlite::Sqlite;
use tempfile::TempDir;
use tower_fiber::run_in_fiber;
pub use tower_fiber_diesel::SqliteConn as Conn;
use tower_fiber_diesel::SqlitePool;

use crate::legacy::sample;

/// The backend that the queries are written for.
pub type Backend = Sqlite;

/// Queries that SQLite works on at the same time, each on one of tokio's blocking threads.
const READERS: usize = 8;

/// The connections to one database.
///
/// SQLite lets one transaction write at a time and makes the others poll for their turn. A pool of one
/// writer makes them queue instead, in order, as fibers that wait; no transaction meets a locked database.
#[derive(Clone, Debug)]
pub struct Pools {
    /// For queries.
    pub readers: SqlitePool,
    /// For transactions that write.
    pub writers: SqlitePool,
}

/// A database in a temporary directory, which is removed when this is dropped.
#[derive(Debug)]
pub struct TemporaryDatabase {
    pools: Pools,
    directory: TempDir,
}

impl TemporaryDatabase {
    /// Creates the tables and fills them with [sample books](sample).
    ///
    /// # Errors
    ///
    /// Fails if the directory or the database cannot be made.
    pub async fn create() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let directory = TempDir::with_prefix("bookshop-")?;
        let file = file_in(&directory);
        let pools = Pools {
            readers: pool(&file, "PRAGMA query_only = ON", READERS)?,
            writers: pool(&file, "PRAGMA foreign_keys = ON", 1)?,
        };

        let writers = pools.writers.clone();
        run_in_fiber(move || {
            let conn = &mut writers.get()?;
            conn.batch_execute("PRAGMA journal_mode = WAL")?;
            conn.batch_execute(include_str!("schema.sql"))?;
            sample::fill(conn)?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
        .await?;
        Ok(Self { pools, directory })
    }

    /// The connections to it.
    #[must_use]
    pub fn pools(&self) -> Pools {
        self.pools.clone()
    }

    /// The SQLite file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        file_in(&self.directory)
    }
}

fn file_in(directory: &TempDir) -> PathBuf {
    directory.path().join("bookshop.sqlite3")
}

fn pool(file: &Path, setup: &str, size: usize) -> Result<SqlitePool, Box<dyn Error + Send + Sync>> {
    let url = file.to_str().ok_or("the temporary directory's path is not UTF-8")?;
    Ok(SqlitePool::builder(url).max_size(size).setup(format!("PRAGMA busy_timeout = 5000; {setup}")).build())
}
