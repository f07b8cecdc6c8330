//! The database: a schema of its own in a PostgreSQL database, and the pools of connections to it.

use std::error::Error;

use diesel::pg::Pg;
use tower_fiber::run_in_fiber;
pub use tower_fiber_diesel::PgConn as Conn;
use tower_fiber_diesel::PgPool;

use crate::legacy::sample;

/// The backend that the queries are written for.
pub type Backend = Pg;

/// Queries that PostgreSQL works on, or lets wait, at the same time. By default it takes 100 connections of all its
/// clients.
const READERS: usize = 32;

/// Transactions that write at the same time. Those that want the same row wait for each other.
const WRITERS: usize = 16;

/// What each session begins with.
///
/// A query whose client has gone, and a transaction that nobody goes on with, would keep their locks: PostgreSQL ends
/// both.
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
#[derive(Clone, Debug)]
pub struct Pools {
    /// For queries. Their transactions are read-only.
    pub readers: PgPool,
    /// For transactions that write.
    pub writers: PgPool,
}

impl Pools {
    /// Pools of this many connections to the database at `url`. Each connection is opened when it is first needed.
    #[must_use]
    pub fn new(url: &str, readers: usize, writers: usize) -> Self {
        let read_only = format!("{SESSION} SET default_transaction_read_only TO on");
        Self {
            readers: PgPool::builder(url).max_size(readers).setup(read_only).build(),
            writers: PgPool::builder(url).max_size(writers).setup(SESSION).build(),
        }
    }
}

/// Connects to the database at `url`. If it has no schema `bookshop`, makes it and fills it with [sample
/// books](sample).
///
/// # Errors
///
/// Fails if there is no connection to be had, if the schema cannot be made, or if there is one that is not the shop's.
pub async fn open(url: &str) -> Result<Pools> {
    let pools = Pools::new(url, READERS, WRITERS);
    let conn = pools.writers.lend().await;
    let conn = conn.map_err(|error| format!("cannot connect to PostgreSQL: {error}; {HELP}"))?;
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
