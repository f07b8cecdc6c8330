//! A caller that goes while its request is in the middle of a transaction.

use std::future::{Future, poll_fn};
use std::time::Duration;

use bookshop::db::{Pools, TemporaryDatabase};
use bookshop::legacy::schema::orders::dsl::{customer, orders, placed_at, total_cents};
use bookshop::legacy::{Database, ShopError};
use diesel::prelude::*;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower_fiber::{FiberLayer, OnDrop, WaitExt, try_await_in_fiber};

/// What the code in the transaction waits for between its two writes.
#[derive(Clone, Copy)]
enum Between {
    Fallibly,
    Infallibly,
}

/// Writes two orders in one transaction, and waits between them.
fn two_orders(
    pools: &Pools,
    between: Between,
    waits: oneshot::Sender<()>,
    gate: oneshot::Receiver<()>,
) -> Result<(), ShopError> {
    let conn = &mut pools.writer()?;
    conn.transaction(|conn| {
        let order = |name: &str| (customer.eq(name.to_owned()), placed_at.eq(0), total_cents.eq(0));
        diesel::insert_into(orders).values(order("first")).execute(conn)?;
        waits.send(()).expect("the test listens");
        let opened = match between {
            Between::Infallibly => Ok(gate.wait()),
            Between::Fallibly => try_await_in_fiber(gate),
        };
        opened.map_err(|_| ShopError::Invalid("cancelled".into()))?.expect("the test opens it or waits");
        diesel::insert_into(orders).values(order("second")).execute(conn)?;
        Ok(())
    })
}

/// Names of those who have ordered, and whether another transaction can be had.
fn customers(pools: &Pools) -> Result<Vec<String>, ShopError> {
    let conn = &mut pools.writer()?;
    // It would fail on a connection that is still inside a transaction, and wait in vain if none came back.
    conn.transaction(|conn| Ok(orders.select(customer).order(customer).load(conn)?))
}

async fn dropped_between(policy: OnDrop, between: Between) -> Vec<String> {
    let database = TemporaryDatabase::create().await.unwrap();
    let layer = FiberLayer::new().name("orders").on_drop(policy);
    let (pools, (waits, waiting), (open, gate)) = (database.pools(), oneshot::channel(), oneshot::channel());
    let mut call = Box::pin(layer.run(move || two_orders(&pools, between, waits, gate)));
    let mut waiting = Box::pin(waiting);
    poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        waiting.as_mut().poll(cx)
    })
    .await
    .unwrap();
    drop(call);
    if policy == OnDrop::Finish {
        open.send(()).unwrap();
        layer.handle().drained().await;
    } else {
        layer.handle().drained().await;
        assert!(open.send(()).is_err(), "nobody waits for it any more");
    }
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 0));

    // Twice, since the pool has one connection for writing.
    let mut seen = Vec::new();
    for _ in 0..2 {
        let pools = database.pools();
        let again = layer.run(move || customers(&pools).unwrap());
        seen = timeout(Duration::from_secs(30), again).await.expect("the connection came back, or another one did");
    }
    seen
}

async fn each_policy() {
    let both = ["first".to_owned(), "second".to_owned()];
    for between in [Between::Fallibly, Between::Infallibly] {
        assert_eq!(dropped_between(OnDrop::Finish, between).await, both);
        assert!(dropped_between(OnDrop::Unwind, between).await.is_empty());
    }
    assert!(dropped_between(OnDrop::Cancel, Between::Fallibly).await.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn in_the_middle_of_a_transaction_in_place() {
    each_policy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_a_transaction_on_the_pool() {
    each_policy().await;
}
