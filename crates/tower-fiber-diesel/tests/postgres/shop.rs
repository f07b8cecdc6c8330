//! A shop of a test's own.

use std::ops::Deref;

use diesel::prelude::*;
use tokio::task::yield_now;

use super::schema::Schema;

diesel::table! {
    orders (id) {
        id -> Integer,
        customer -> Text,
    }
}

/// A query that waits while the shop has this lock, which is its own.
pub(crate) const TAKE_LOCK: &str = "select pg_advisory_lock(hashtext(current_schema))";

/// Orders.
pub(crate) struct Shop(Schema);

impl Shop {
    /// None if there is no server.
    pub(crate) async fn open(name: &str) -> Option<Self> {
        Schema::open(name, "create table orders (id serial primary key, customer text not null)").await.map(Self)
    }

    /// The names of those who have ordered.
    pub(crate) async fn customers(&self) -> Vec<String> {
        self.ask(|conn| orders::table.select(orders::customer).order(orders::customer).load(conn).unwrap()).await
    }

    /// Takes the lock for the shop's own connection.
    pub(crate) async fn lock(&self) {
        self.execute(TAKE_LOCK).await;
    }

    /// Gives it back.
    pub(crate) async fn unlock(&self) {
        self.execute("select pg_advisory_unlock_all()").await;
    }

    /// Waits until somebody waits for the lock.
    pub(crate) async fn one_is_blocked(&self) {
        while self.sessions("wait_event_type = 'Lock'").await == 0 {
            yield_now().await;
        }
    }
}

impl Deref for Shop {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        &self.0
    }
}
