//! [`PoolBuilder`]: the settings of a pool.

use std::{fmt, sync::Arc, time::Duration};

use deadpool::{Runtime, managed};
use diesel::ConnectionResult;

use super::{
    Pool,
    manager::{Manager, Open},
};
use crate::Lendable;

/// Builds a [`Pool`]; made by [`Pool::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder<C> {
    open: Open<C>,
    setup: String,
    max_size: usize,
    wait: Duration,
    connect: Duration,
}

impl<C: Lendable> PoolBuilder<C> {
    pub(super) fn new(url: String) -> Self {
        Self {
            open: Arc::new(move || Box::pin(C::open(url.clone()))),
            setup: String::new(),
            max_size: 10,
            wait: Duration::from_secs(10),
            connect: Duration::from_secs(5),
        }
    }

    /// Limits the connections that are open at once. The default is 10.
    pub fn max_size(mut self, connections: usize) -> Self {
        self.max_size = connections;
        self
    }

    /// Limits how long a caller waits for a connection to come free. The default is 10 seconds.
    pub fn wait_timeout(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Limits how long opening a connection may take, and the query by which one is tried before it is lent again. The
    /// default is 5 seconds.
    pub fn connect_timeout(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// Sets the SQL statements that each new connection begins with, separated by semicolons.
    pub fn setup(mut self, statements: impl Into<String>) -> Self {
        self.setup = statements.into();
        self
    }

    /// Opens connections by `open` instead of the URL: with TLS, or with functions and collations of SQLite's.
    pub fn open_with<F, O>(mut self, open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = ConnectionResult<C>> + Send + 'static,
    {
        self.open = Arc::new(move || Box::pin(open()));
        self
    }

    /// Builds the pool. It opens no connection yet.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it fails only with time-outs and no runtime for them")]
    pub fn build(self) -> Pool<C> {
        let Self { open, setup, max_size, wait, connect } = self;
        let builder = managed::Pool::builder(Manager { open, setup }).max_size(max_size).runtime(Runtime::Tokio1);
        let builder = builder.wait_timeout(Some(wait)).create_timeout(Some(connect)).recycle_timeout(Some(connect));
        Pool { connections: builder.build().expect("it has a runtime for its time-outs"), wait, connect }
    }
}

impl<C> fmt::Debug for PoolBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("setup", &self.setup)
            .field("max_size", &self.max_size)
            .field("wait_timeout", &self.wait)
            .field("connect_timeout", &self.connect)
            .finish_non_exhaustive()
    }
}
