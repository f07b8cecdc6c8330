//! A caller that goes before, between and in the queries of a transaction: its rows are written or not, and nothing
//! stays behind.

use std::sync::Arc;
use std::time::Duration;

use bookshop_postgres::db::Pools;
use bookshop_postgres::legacy::schema::orders::dsl::{customer, orders, placed_at, total_cents};
use bookshop_postgres::legacy::schema::stock::dsl::{book_id, copies, stock};
use bookshop_postgres::legacy::{Database, ShopError};
use diesel::prelude::*;
use futures_util::future::join_all;
use tokio::sync::{Barrier, oneshot};
use tokio::time::timeout;
use tower_fiber::{FiberLayer, OnDrop, WaitExt, try_await_in_fiber};

use crate::db::TemporaryDatabase;

/// Connections in each pool.
const SIZE: usize = 3;

/// What the transaction waits for when its caller goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// A connection.
    Connection,
    /// Something else than the database, between two queries.
    Gate,
    /// A query that waits for a lock.
    Query,
}

/// Writes two orders in one transaction. Between them it waits where it should, and then asks whether it is cancelled.
fn two_orders(pools: &Pools, point: Point, gate: oneshot::Receiver<()>, asks: bool) -> Result<(), ShopError> {
    let conn = &mut pools.writer()?;
    conn.transaction(|conn| {
        let order = |name: &str| (customer.eq(name.to_owned()), placed_at.eq(0), total_cents.eq(0));
        diesel::insert_into(orders).values(order("first")).execute(conn)?;
        match point {
            Point::Connection => {}
            Point::Gate => gate.wait().expect("the test opens it or waits"),
            Point::Query => {
                diesel::update(stock).filter(book_id.eq(7)).set(copies.eq(copies - 1)).execute(conn)?;
            }
        }
        if asks {
            try_await_in_fiber(async {}).map_err(|_| ShopError::Invalid("cancelled".into()))?;
        }
        diesel::insert_into(orders).values(order("second")).execute(conn)?;
        Ok(())
    })
}

/// Whose orders there are, read while every connection for writing is in use.
async fn customers(layer: &FiberLayer, pools: &Pools) -> Vec<String> {
    let all_have_one = Arc::new(Barrier::new(SIZE));
    let readers = (0..SIZE).map(|_| {
        let (pools, all_have_one) = (pools.clone(), all_have_one.clone());
        layer.run(move || {
            let conn = &mut pools.writer().expect("a connection");
            all_have_one.wait().wait();
            // It would fail on a connection that is still inside a transaction.
            conn.transaction(|conn| orders.select(customer).order(customer).load(conn)).expect("a query")
        })
    });
    let mut seen: Vec<Vec<String>> =
        timeout(Duration::from_secs(20), join_all(readers)).await.expect("the pool has its full size");
    seen.dedup();
    assert_eq!(seen.len(), 1, "all see the same: {seen:?}");
    seen.remove(0)
}

/// Lets a caller go, and says whose orders there are then.
async fn gone(policy: OnDrop, point: Point, asks: bool) -> Vec<String> {
    let database = TemporaryDatabase::create().await.unwrap();
    let pools = Pools::new(database.url(), SIZE, SIZE);
    let mut visitor = database.visitor().await;
    let layer = FiberLayer::new().name("orders").on_drop(policy);
    // The shop itself was opened by a connection that is idle.
    visitor.until("count(*) = 1 AND bool_and(state = 'idle')").await;

    let mut locks = database.visitor().await;
    locks.run("BEGIN; UPDATE stock SET copies = copies").await;
    let mut taken = Vec::new();
    if point == Point::Connection {
        taken = join_all((0..SIZE).map(|_| pools.writers.lend())).await;
    }
    let (open, gate) = oneshot::channel();
    let mut call = Box::pin(layer.run({
        let pools = pools.clone();
        move || two_orders(&pools, point, gate, asks)
    }));
    let it_waits = async {
        match point {
            Point::Connection => {
                while pools.writers.status().waiting == 0 {
                    tokio::task::yield_now().await
                }
            }
            Point::Gate => visitor.until("count(*) FILTER (WHERE state = 'idle in transaction') = 1").await,
            Point::Query => visitor.until("count(*) FILTER (WHERE wait_event_type = 'Lock') = 1").await,
        }
    };
    tokio::select! {
        ended = &mut call => panic!("it does not wait at {point:?}: {ended:?}"),
        () = it_waits => {}
    }
    drop(call);

    if policy == OnDrop::Unwind {
        // At once, while there is nothing yet that it waited for.
        layer.handle().drained().await;
        visitor.until("bool_and(state = 'idle')").await;
    }
    assert_eq!(open.send(()).is_err(), policy == OnDrop::Unwind, "unless it is unwound, it lives");
    drop(taken);
    locks.run("COMMIT").await;
    layer.handle().drained().await;
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0));

    visitor.until("bool_and(state = 'idle')").await;
    let seen = customers(&layer, &pools).await;
    let status = pools.writers.status();
    assert_eq!((status.size, status.available, status.waiting), (SIZE, SIZE, 0));
    visitor.until(&format!("count(*) = 1 + {SIZE} AND bool_and(state = 'idle')")).await;
    seen
}

async fn each_policy() {
    for point in [Point::Connection, Point::Gate, Point::Query] {
        each_policy_at(point).await;
    }
}

async fn each_policy_at(point: Point) {
    let both = ["first", "second"];
    assert_eq!(gone(OnDrop::Finish, point, true).await, both);
    assert_eq!(gone(OnDrop::Unwind, point, true).await, [""; 0]);
    assert_eq!(gone(OnDrop::Cancel, point, true).await, [""; 0]);
    // A query is no place at which synchronous code expects to be cancelled, so code that does not ask goes on. Taking
    // a connection can fail.
    let expected: &[&str] = if point == Point::Connection { &[] } else { &both };
    assert_eq!(gone(OnDrop::Cancel, point, false).await, expected);
}

#[tokio::test(flavor = "current_thread")]
async fn in_place() {
    each_policy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_pool() {
    each_policy().await;
}
