//! Connections that break: the request that uses one gets an error, and the next request is served.

use std::time::Duration;

use bookshop_postgres::legacy::Database;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde_json::Value;
use tokio::time::timeout;
use tower_fiber::FiberLayer;

use crate::db::{TemporaryDatabase, Visitor};
use crate::harness::TestShop;
use crate::plain;
use crate::post::order;

/// Ends sessions of the shop as a server does that is stopped, and waits until they are gone.
const END: &str = "pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'bookshop'";

#[tokio::test]
async fn in_the_middle_of_a_page() {
    let shop = TestShop::with_quick_supplier().await;
    let mut visitor = shop.database.visitor().await;
    let mut locks = shop.database.visitor().await;

    locks.run("BEGIN; LOCK TABLE stock").await;
    let end = async {
        visitor.until("count(*) FILTER (WHERE wait_event_type = 'Lock') = 2").await;
        visitor.run(&format!("SELECT {END} AND wait_event_type = 'Lock'")).await;
    };
    let both = async { tokio::join!(shop.get("/books/7"), shop.get("/api/books/7"), end) };
    let (page, answer, ()) = timeout(Duration::from_secs(30), both).await.expect("they are told");
    assert_eq!(page.status, 500, "{page:?}");
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.body.contains("a database query failed"), "{}", page.body);
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.json()["error"]["message"], "a database query failed");

    locks.run("COMMIT").await;
    for path in ["/books/7", "/api/books/7"] {
        assert_eq!(shop.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn in_the_middle_of_a_checkout() {
    let shop = TestShop::with_quick_supplier().await;
    let mut visitor = shop.database.visitor().await;
    let mut locks = shop.database.visitor().await;
    let before = shop.rows();

    // The first book is taken from the shelf, the second cannot be.
    let mut both = order(1, 1);
    both["lines"].as_array_mut().unwrap().push(order(2, 1)["lines"][0].take());
    locks.run("BEGIN; UPDATE stock SET copies = copies WHERE book_id = 2").await;
    let end = async {
        visitor.until("count(*) FILTER (WHERE wait_event_type = 'Lock') = 1").await;
        visitor.run(&format!("SELECT {END} AND wait_event_type = 'Lock'")).await;
    };
    let order = async { tokio::join!(shop.post_json("/api/orders", &both), end) };
    let (answer, ()) = timeout(Duration::from_secs(30), order).await.expect("the customer is told");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.json()["error"]["message"], "a database query failed");
    assert_eq!(shop.rows(), before, "nothing was changed");

    locks.run("COMMIT").await;
    let answer = shop.post_json("/api/orders", &both).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(shop.rows().copies(1), before.copies(1) - 1);
}

#[tokio::test]
async fn while_nobody_uses_them() {
    let database = TemporaryDatabase::create().await.unwrap();
    let pools = database.pools();
    let books = {
        let pools = pools.clone();
        move || crate::legacy::schema::books::table.count().get_result::<i64>(&mut pools.reader().unwrap())
    };
    let layer = FiberLayer::new();
    assert_eq!(layer.run(books.clone()).await, Ok(360));
    let opened = pools.readers.status();
    assert_eq!((opened.size, opened.available), (1, 1));

    // Meanwhile this thread stands still, so that the pool's connections have not heard of it.
    let ended = plain::read(&database, |conn| sql::<Bool>(&format!("SELECT {END}")).load::<bool>(conn)).unwrap();
    assert_eq!(ended, [true, true], "one reader and one writer");
    assert_eq!(layer.run(books).await, Ok(360), "the pool has tried the old connection before it hands one out");
}

#[tokio::test]
async fn and_there_are_no_new_ones_for_a_while() {
    let shop = TestShop::with_quick_supplier().await;
    assert_eq!(shop.get("/books/7").await.status, 200);
    let mut visitor = shop.database.visitor().await;
    let (server, name) = shop.database.url().rsplit_once('/').unwrap();
    let mut operator = Visitor::at(&format!("{server}/postgres")).await;

    operator.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    visitor.run(&format!("SELECT {END}")).await;
    let busy = "the database is busy, please try again";
    let page = shop.get("/books/7").await;
    assert_eq!(page.status, 503, "{page:?}");
    assert!(page.body.contains(busy), "{}", page.body);
    let answer = shop.post_json("/api/orders", &order(7, 1)).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["error"]["message"], Value::from(busy));
    assert_eq!(shop.get("/healthz").await.status, 200);

    operator.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    assert_eq!(shop.get("/books/7").await.status, 200);
    assert_eq!(shop.post_json("/api/orders", &order(7, 1)).await.status, 201);
}
