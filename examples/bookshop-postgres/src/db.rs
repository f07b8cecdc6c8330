//! The database: a schema of its own in a PostgreSQL database, and the pools of connections to it.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::thread;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::PoolError;
use diesel::pg::Pg;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use tower_fiber::run_in_fiber;

pub use crate::bridge::Conn;
use crate::legacy::sample;

/// The backend that the queries are written for.
pub type Backend = Pg;

/// An asynchronous connection.
pub type AsyncConn = AsyncPgConnection;

/// A pool of connections.
pub type Pool = deadpool::managed::Pool<AsyncDieselConnectionManager<AsyncConn>, Pooled>;

/// Queries that PostgreSQL works on, or lets wait, at the same time. By default it takes 100 connections of all its clients.
const READERS: usize = 32;

/// Transactions that write at the same time. Those that want the same row wait for each other.
const WRITERS: usize = 16;

/// How long a request waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// How long PostgreSQL may take to open a connection, or to answer on one that it has opened.
const CONNECT: Duration = Duration::from_secs(5);

/// What each session begins with.
///
/// A query whose client has gone, and a transaction that nobody goes on with, would keep their locks: PostgreSQL ends both.
const SESSION: &str = "
    SET application_name TO bookshop;
    SET search_path TO bookshop;
    SET client_connection_check_interval TO '1s';
    SET idle_in_transaction_session_timeout TO '30s';
";

/// Says that the schema is the shop's, and that the tables in it are these.
const MARK: &str = "the bookshop of tower-fiber, version 1";

/// What to do if there is no server.
const HELP: &str = "set DATABASE_URL to a database such as postgres://user:password@127.0.0.1/name; \
    `tests/servers/start postgresql` starts a server, prints its PORT, and has one at postgres://postgres@127.0.0.1:PORT/postgres";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The connections to one database.
#[derive(Clone)]
pub struct Pools {
    /// For queries. Their transactions are read-only.
    pub readers: Pool,
    /// For transactions that write.
    pub writers: Pool,
}

impl Pools {
    /// Pools of this many connections to the database at `url`. Each connection is opened when it is first needed.
    ///
    /// # Errors
    ///
    /// Fails if a pool cannot be built.
    pub fn new(url: &str, readers: usize, writers: usize) -> Result<Self> {
        Ok(Self {
            readers: pool(url, "SET default_transaction_read_only TO on", readers)?,
            writers: pool(url, "", writers)?,
        })
    }
}

/// Connects to the database at `url`. If it has no schema `bookshop`, makes it and fills it with [sample books](sample).
///
/// # Errors
///
/// Fails if there is no connection to be had, if the schema cannot be made, or if there is one that is not the shop's.
pub async fn open(url: &str) -> Result<Pools> {
    let pools = Pools::new(url, READERS, WRITERS)?;
    let conn = pools.writers.get().await.map_err(|error| {
        let error = match error {
            PoolError::Backend(error) => error.to_string(),
            error => error.to_string(),
        };
        format!("cannot connect to PostgreSQL: {error}; {HELP}")
    })?;
    let created = run_in_fiber(move || create_schema(&mut Conn::from(conn))).await;
    created.map_err(|error| format!("cannot use this database: {error}; let DATABASE_URL name another one"))?;
    Ok(pools)
}

/// Makes and fills the schema, all of it or nothing.
fn create_schema(conn: &mut Conn) -> Result<()> {
    use diesel::connection::SimpleConnection;
    use diesel::dsl::sql;
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    conn.transaction(|conn| {
        // Another shop may be about to do the same.
        conn.batch_execute("SELECT pg_advisory_xact_lock(hashtext('bookshop'))")?;
        let mark = "SELECT coalesce(obj_description(oid), '') FROM pg_namespace WHERE nspname = 'bookshop'";
        let mark: Option<String> = sql::<Text>(mark).get_result(conn).optional()?;
        match mark.as_deref() {
            Some(MARK) => {}
            Some(_) => return Err("it has a schema `bookshop` that is not this shop's, and is left as it is".into()),
            None => {
                conn.batch_execute(&format!("CREATE SCHEMA bookshop; COMMENT ON SCHEMA bookshop IS '{MARK}'"))?;
                conn.batch_execute(include_str!("schema.sql"))?;
                sample::fill(conn)?;
            }
        }
        Ok(())
    })
}

fn pool(url: &str, setup: &'static str, size: usize) -> Result<Pool> {
    let mut config = ManagerConfig::<AsyncConn>::default();
    // A server that restarts breaks its connections, so each is tried before it is used.
    config.recycling_method = RecyclingMethod::Verified;
    config.custom_setup = Box::new(move |url| Box::pin(connect(url, setup)));
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    let pool = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1);
    let pool = pool.wait_timeout(Some(WAIT)).create_timeout(Some(CONNECT)).recycle_timeout(Some(CONNECT));
    Ok(pool.build()?)
}

async fn connect(url: &str, setup: &str) -> ConnectionResult<AsyncConn> {
    use diesel_async::{AsyncConnection, SimpleAsyncConnection};

    let mut conn = AsyncConn::establish(url).await?;
    conn.batch_execute(&format!("{SESSION} {setup}")).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// A connection that goes back to its pool, unless it is dropped by unwinding.
///
/// A panic and `OnDrop::Unwind` can leave a transaction open or a query running. The pool would find out when it
/// hands the connection out again, and PostgreSQL would hold the locks until then. So the connection is closed.
pub struct Pooled(Option<Object<AsyncConn>>);

impl From<Object<AsyncConn>> for Pooled {
    fn from(conn: Object<AsyncConn>) -> Self {
        Self(Some(conn))
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let conn = self.0.take();
        if thread::panicking() {
            drop(conn.map(Object::take));
        }
    }
}

impl Deref for Pooled {
    type Target = AsyncConn;

    fn deref(&self) -> &AsyncConn {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut AsyncConn {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").finish_non_exhaustive()
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools")
            .field("readers", &self.readers.status())
            .field("writers", &self.writers.status())
            .finish()
    }
}
