//! A schema of a test's own.

use diesel::{connection::SimpleConnection as _, prelude::*, sql_query, sql_types::BigInt};
use hooks::diesel::{Conn, Pool};
use tokio::task::yield_now;
use tower_fiber::run_in_fiber;

diesel::table! {
    orders (id) {
        id -> Integer,
        customer -> Text,
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A query that waits while the shop has this lock, which is its own.
pub(crate) const TAKE_LOCK: &str = "select pg_advisory_lock(hashtext(current_schema))";

/// Orders that no other test sees, and a connection that is none of the tested pools'.
pub(crate) struct Shop {
    url: String,
    name: String,
    own: Pool,
}

impl Shop {
    /// None if there is no server.
    pub(crate) async fn open(name: &str) -> Option<Self> {
        let server = servers::postgresql()?;
        // The server looks each 20 ms whether a client that waits for a query has gone.
        let options = format!("-c%20search_path%3D{name}%20-c%20client_connection_check_interval%3D20ms");
        let url =
            format!("postgres://postgres@127.0.0.1:{}/postgres?application_name={name}&options={options}", server.port);
        let schema =
            format!("create schema {name}; create table orders (id serial primary key, customer text not null)");
        let shop = Self { own: Pool::new(&url, 1), name: name.to_owned(), url };
        shop.ask(move |conn| conn.batch_execute(&schema).unwrap()).await;
        Some(shop)
    }

    pub(crate) fn pool(&self, size: usize) -> Pool {
        Pool::new(&self.url, size)
    }

    /// By the shop's own connection.
    pub(crate) async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut Conn) -> T + Send + 'static) -> T {
        let pool = self.own.clone();
        run_in_fiber(move || question(&mut pool.get().unwrap())).await
    }

    /// The names of those who have ordered.
    pub(crate) async fn customers(&self) -> Vec<String> {
        self.ask(|conn| orders::table.select(orders::customer).order(orders::customer).load(conn).unwrap()).await
    }

    /// How many connections the server has of this shop's pools.
    pub(crate) async fn sessions(&self) -> i64 {
        self.count(format!("select count(*) as number from pg_stat_activity where application_name = '{}'", self.name))
            .await
    }

    /// Takes the lock for the shop's own connection.
    pub(crate) async fn lock(&self) {
        self.ask(|conn| conn.batch_execute(TAKE_LOCK).unwrap()).await;
    }

    /// Gives it back.
    pub(crate) async fn unlock(&self) {
        self.ask(|conn| conn.batch_execute("select pg_advisory_unlock_all()").unwrap()).await;
    }

    /// Waits until one of them waits for the lock.
    pub(crate) async fn one_is_blocked(&self) {
        let name = &self.name;
        let blocked = format!(
            "select count(*) as number from pg_stat_activity where application_name = '{name}' and wait_event_type = 'Lock'"
        );
        while self.count(blocked.clone()).await == 0 {
            yield_now().await;
        }
    }

    async fn count(&self, query: String) -> i64 {
        self.ask(|conn| sql_query(query).get_result::<Number>(conn).unwrap().number).await
    }
}
