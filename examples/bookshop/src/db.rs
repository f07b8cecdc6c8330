//! The database: a SQLite file in a temporary directory, and the pools of connections to it.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadpool::Runtime;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use tempfile::TempDir;
use tower_fiber::run_in_fiber;

pub use crate::bridge::Conn;
use crate::legacy::sample;

/// The backend that the queries are written for.
pub type Backend = Sqlite;

/// An asynchronous connection.
pub type AsyncConn = SyncConnectionWrapper<SqliteConnection>;

/// What the pools hand out, which is under [`Conn`].
pub type Pooled = Object<AsyncConn>;

/// Queries that SQLite works on at the same time, each on a blocking thread of diesel-async.
const READERS: usize = 8;

/// How long a request waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// The connections to one database.
///
/// SQLite lets one transaction write at a time and makes the others poll for their turn. A pool of one
/// writer makes them queue instead, in order, as fibers that wait; no transaction meets a locked database.
#[derive(Clone)]
pub struct Pools {
    /// For queries.
    pub readers: Pool<AsyncConn>,
    /// For transactions that write.
    pub writers: Pool<AsyncConn>,
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools")
            .field("readers", &self.readers.status())
            .field("writers", &self.writers.status())
            .finish()
    }
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

        let mut conn: Pooled = pools.writers.get().await?;
        conn.batch_execute("PRAGMA journal_mode = WAL").await?;
        conn.batch_execute(include_str!("schema.sql")).await?;
        run_in_fiber(move || sample::fill(&mut Conn::from(conn))).await?;
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

fn pool(file: &Path, setup: &'static str, size: usize) -> Result<Pool<AsyncConn>, Box<dyn Error + Send + Sync>> {
    let url = file.to_str().ok_or("the temporary directory's path is not UTF-8")?;
    let mut config = ManagerConfig::<AsyncConn>::default();
    // A connection to a file does not break, so the ping before each use can be spared.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url| {
        Box::pin(async move {
            let mut conn = AsyncConn::establish(url).await?;
            let settings = format!("PRAGMA busy_timeout = 5000; {setup}");
            conn.batch_execute(&settings).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        })
    });
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    Ok(Pool::builder(manager).max_size(size).wait_timeout(Some(WAIT)).runtime(Runtime::Tokio1).build()?)
}
