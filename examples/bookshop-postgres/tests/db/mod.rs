//! A database of its own for each test, on Debian's PostgreSQL.
//!
//! The bookshop's tests ask for `bookshop::db`. Here each test crate calls itself `bookshop`, and this is its `db`.

use std::error::Error;
use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) use bookshop_postgres::db::Pools;
use bookshop_postgres::db::open;
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Databases at the same time, so that the server has connections for all their pools.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A database that the shop has been opened on. It goes with the server.
pub(crate) struct TemporaryDatabase {
    pools: Pools,
    url: String,
    _turn: SemaphorePermit<'static>,
}

impl TemporaryDatabase {
    /// Creates a database and opens the shop on it.
    pub(crate) async fn create() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let turn = TURNS.acquire().await?;
        let url = empty_database().await;
        Ok(Self { pools: open(&url).await?, url, _turn: turn })
    }

    /// The shop's connections to it.
    pub(crate) fn pools(&self) -> Pools {
        self.pools.clone()
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A connection past the shop.
    pub(crate) async fn visitor(&self) -> Visitor {
        Visitor::at(&self.url).await
    }
}

/// A connection to the database that is not the shop's.
pub(crate) struct Visitor(AsyncPgConnection);

impl Visitor {
    pub(crate) async fn at(url: &str) -> Self {
        let mut visitor = Self(AsyncPgConnection::establish(url).await.expect("the server has room"));
        visitor.run("SET search_path TO bookshop").await;
        visitor
    }

    /// Runs statements.
    pub(crate) async fn run(&mut self, statements: &str) {
        self.0.batch_execute(statements).await.expect("the test's own statements");
    }

    /// Waits until a condition on `shop`, the sessions of the shop in this database, holds.
    pub(crate) async fn until(&mut self, condition: &str) {
        let shop = "(SELECT * FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'bookshop') AS shop";
        // The server waits a moment, and forgets what it told this session about the others.
        let moment = "pg_sleep(0.01) IS NOT NULL AND pg_stat_clear_snapshot() IS NOT NULL";
        let query = format!("SELECT {moment} AND (SELECT {condition} FROM {shop})");
        let holds = async { while !sql::<Bool>(&query).get_result::<bool>(&mut self.0).await.unwrap() {} };
        timeout(Duration::from_secs(20), holds).await.unwrap_or_else(|_| panic!("never {condition}"));
    }
}

/// The address of a new database.
pub(crate) async fn empty_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let Some(server) = servers::postgresql() else {
        // The tests are the bookshop's and know nothing of this. What they print is held back, so it is said past it.
        writeln!(io::stderr(), "SKIPPED: all tests of this program, which need postgresql").expect("there is stderr");
        process::exit(0)
    };
    let at = |database: &str| format!("postgres://postgres@127.0.0.1:{}/{database}", server.port);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Visitor::at(&at("postgres")).await.run(&format!("CREATE DATABASE {name}")).await;
    at(&name)
}
