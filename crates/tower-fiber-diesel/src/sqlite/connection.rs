//! [`AsyncSqliteConnection`]: diesel-async's SQLite, and when one is of no use any more.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use diesel::{Connection as _, ConnectionResult, SqliteConnection};
use diesel_async::{pooled_connection::PoolableConnection as _, sync_connection_wrapper::SyncConnectionWrapper};

use super::work::{BlockingPool, Work, on_blocking_pool};
use crate::{Left, Lendable};

/// A connection to SQLite for asynchronous code, as diesel-async's, whose queries run on tokio's blocking pool. A
/// future of it that is dropped in its middle leaves the query to that pool's thread, and blocks nothing.
pub struct AsyncSqliteConnection {
    inner: SyncConnectionWrapper<SqliteConnection, BlockingPool>,
    work: Arc<Work>,
}

impl AsyncSqliteConnection {
    /// Wraps a connection, for [`PoolBuilder::open_with`](crate::PoolBuilder::open_with).
    #[must_use]
    pub fn new(connection: SqliteConnection) -> Self {
        let work = Arc::default();
        let inner = SyncConnectionWrapper::with_runtime(connection, BlockingPool::with_work(Arc::clone(&work)));
        Self { inner, work }
    }
}

impl Lendable for AsyncSqliteConnection {
    // A connection to a file does not break.
    const IS_TRIED: bool = false;

    async fn open(url: String) -> ConnectionResult<Self> {
        on_blocking_pool(move || SqliteConnection::establish(&url)).await.map(Self::new)
    }

    fn is_left(&mut self) -> bool {
        // diesel-async's question panics while a query runs, and after one has panicked.
        self.work.is_left() || self.inner.is_broken()
    }

    fn close(left: Left<Self>) {
        let work = Arc::clone(&left.get_ref().work);
        work.close_at_end(left);
    }
}

impl Deref for AsyncSqliteConnection {
    type Target = SyncConnectionWrapper<SqliteConnection, BlockingPool>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for AsyncSqliteConnection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl fmt::Debug for AsyncSqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSqliteConnection").finish_non_exhaustive()
    }
}
