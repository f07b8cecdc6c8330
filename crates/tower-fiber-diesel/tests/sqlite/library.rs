//! A file of a test's own, runtimes, and queries that take as long as a test wants.

use std::{
    future::{Future, ready},
    sync::{Arc, Mutex, mpsc},
};

use diesel::{
    connection::{LoadConnection, SimpleConnection as _},
    dsl::select,
    prelude::*,
    sqlite::{Sqlite, SqliteConnection},
};
use tempfile::TempDir;
use tokio::{runtime::Builder, sync::oneshot};
use tower_fiber::{FiberLayer, FiberPool, OnDrop, Placement};
use tower_fiber_diesel::{SqlitePool, sqlite::AsyncSqliteConnection};

diesel::table! {
    orders (id) {
        id -> Integer,
        customer -> Text,
    }
}

diesel::define_sql_function! {
    /// Says that the query runs, and waits until the test lets it go on.
    fn hold() -> Integer;
}

/// The test's side of [`hold`].
pub(crate) struct Held {
    pub(crate) runs: oneshot::Receiver<()>,
    pub(crate) go_on: mpsc::Sender<()>,
}

/// A database in a file.
pub(crate) struct Shop {
    directory: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let shop = Self { directory: TempDir::new().expect("there is room") };
        let mut conn = shop.connect();
        let tables = "PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL)";
        conn.batch_execute(tables).expect("it is a new file");
        shop
    }

    fn url(&self) -> String {
        self.directory.path().join("shop.sqlite3").to_str().expect("it is UTF-8").to_owned()
    }

    /// A connection that is none of a pool's. It waits for no lock.
    pub(crate) fn connect(&self) -> SqliteConnection {
        SqliteConnection::establish(&self.url()).expect("the directory is there")
    }

    /// A pool of one connection.
    pub(crate) fn pool(&self) -> SqlitePool {
        SqlitePool::new(self.url(), 1)
    }

    /// A pool of one connection at a time. The first query that calls [`hold`] waits for the test.
    pub(crate) fn pool_with_hold(&self) -> (SqlitePool, Held) {
        let (says, runs) = oneshot::channel();
        let (go_on, waits) = mpsc::channel();
        let first = Arc::new(Mutex::new(Some((says, waits))));
        let url = self.url();
        let open = move || {
            let conn = SqliteConnection::establish(&url).expect("the directory is there");
            let first = Arc::clone(&first);
            let held = move || {
                let taken = first.lock().expect("it does not panic").take();
                if let Some((says, waits)) = taken {
                    says.send(()).expect("the test waits for it");
                    waits.recv().expect("the test lets it go on");
                }
                1
            };
            hold_utils::register_nondeterministic_impl(&conn, held).expect("it has no such function yet");
            ready(Ok(AsyncSqliteConnection::new(conn)))
        };
        (SqlitePool::builder("unused").max_size(1).open_with(open).build(), Held { runs, go_on })
    }

    /// Those who have ordered.
    pub(crate) fn customers(&self) -> Vec<String> {
        orders::table
            .select(orders::customer)
            .order(orders::id)
            .load(&mut self.connect())
            .expect("nothing locks readers")
    }
}

/// Places an order, on any connection to SQLite.
pub(crate) fn place(conn: &mut impl Connection<Backend = Sqlite>, customer: &str) -> QueryResult<()> {
    conn.batch_execute(&format!("INSERT INTO orders (customer) VALUES ('{customer}')"))
}

/// A query that waits for the test.
pub(crate) fn query_that_holds(conn: &mut impl LoadConnection<Backend = Sqlite>) -> QueryResult<i32> {
    select(hold()).get_result(conn)
}

/// Runs a test in place on a current-thread runtime and on a multi-thread one, and on the pool.
pub(crate) fn everywhere<F: Future<Output = ()>>(policy: OnDrop, test: impl Fn(FiberLayer) -> F) {
    let pool = FiberPool::builder().worker_threads(1).build().expect("it has a thread");
    let builder = || FiberLayer::builder().name("orders").on_drop(policy);
    let current = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let multi = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    current.block_on(test(builder().placement(Placement::InPlace).build().expect("a layer")));
    current.block_on(test(builder().placement(pool).build().expect("a layer")));
    multi.block_on(test(builder().build().expect("a layer")));
}
