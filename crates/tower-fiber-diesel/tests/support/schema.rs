//! A PostgreSQL schema of a test's own.

use diesel::{connection::SimpleConnection as _, prelude::*, sql_query, sql_types::BigInt};
use tower_fiber::run_in_fiber;
use tower_fiber_diesel::{PgConn, PgPool, PoolBuilder, diesel_async::AsyncPgConnection};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Tables that no other test sees, and a connection that is none of the tested pools'.
pub(crate) struct Schema {
    url: String,
    name: String,
    own: PgPool,
}

impl Schema {
    /// None if there is no server.
    pub(crate) async fn open(name: &str, tables: &str) -> Option<Self> {
        let server = servers::postgresql()?;
        // The server looks each 20 ms whether a client that waits for a query has gone.
        let options = format!("-c%20search_path%3D{name}%20-c%20client_connection_check_interval%3D20ms");
        let url =
            format!("postgres://postgres@127.0.0.1:{}/postgres?application_name={name}&options={options}", server.port);
        let schema = Self { own: PgPool::new(&url, 1), name: name.to_owned(), url };
        schema.execute(format!("create schema {name}; {tables}")).await;
        Some(schema)
    }

    /// A pool of the URL that this one has.
    pub(crate) fn pool(&self, size: usize) -> PgPool {
        self.builder(size).build()
    }

    /// For one with other settings.
    pub(crate) fn builder(&self, size: usize) -> PoolBuilder<AsyncPgConnection> {
        PgPool::builder(&self.url).max_size(size)
    }

    /// By the schema's own connection.
    pub(crate) async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut PgConn) -> T + Send + 'static) -> T {
        let pool = self.own.clone();
        run_in_fiber(move || question(&mut pool.get().unwrap())).await
    }

    /// Likewise.
    pub(crate) async fn execute(&self, statements: impl Into<String>) {
        let statements = statements.into();
        self.ask(move |conn| conn.batch_execute(&statements).unwrap()).await;
    }

    /// How many connections the server has of this schema's pools, of which this is true.
    pub(crate) async fn sessions(&self, which: &str) -> i64 {
        let name = &self.name;
        let query =
            format!("select count(*) as number from pg_stat_activity where application_name = '{name}' and {which}");
        self.ask(|conn| sql_query(query).get_result::<Number>(conn).unwrap().number).await
    }
}
