//! Callers that go, and code that panics, in the middle of a transaction.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    task::Poll,
    time::Duration,
};

use diesel::{
    connection::{SimpleConnection as _, TransactionManager as _},
    insert_into,
    prelude::*,
    result::Error,
};
use tokio::{select, sync::oneshot, time::timeout};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, try_await_in_fiber};
use tower_fiber_diesel::{PgConn, PgPool};

use super::shop::{Shop, TAKE_LOCK, orders};

/// Where the transaction is when its caller goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Between two queries, in a wait that can fail.
    FallibleWait,
    /// Between two queries, in one that cannot.
    InfallibleWait,
    /// In a query.
    Query,
}

/// Long, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(60);

/// Orders twice in one transaction.
fn order_twice(pool: &PgPool, at: At, waits: oneshot::Sender<()>, gate: oneshot::Receiver<()>) -> QueryResult<()> {
    pool.get().expect("the server runs").transaction(|conn| {
        insert_into(orders::table).values((orders::id.eq(1), orders::customer.eq("first"))).execute(conn)?;
        match at {
            At::FallibleWait => {
                _ = waits.send(());
                try_await_in_fiber(gate).map_err(|_| Error::RollbackTransaction)?.expect("the test opens it");
            }
            At::InfallibleWait => {
                _ = waits.send(());
                gate.wait().expect("the test opens it, or this is unwound");
            }
            At::Query => conn.batch_execute(TAKE_LOCK)?,
        }
        insert_into(orders::table).values((orders::id.eq(2), orders::customer.eq("second"))).execute(conn)?;
        Ok(())
    })
}

/// Whose orders are there after a caller has gone. Others can order then, by the same pool and by others.
async fn caller_goes(name: &str, policy: OnDrop, at: At) -> Option<Vec<String>> {
    let shop = Shop::open(name).await?;
    let pool = shop.pool(1);
    let layer = FiberLayer::new().name("orders").on_drop(policy);
    let (waits, waiting) = oneshot::channel();
    let (open, gate) = oneshot::channel();
    shop.lock().await;

    let mut call = Box::pin(layer.run({
        let pool = pool.clone();
        move || order_twice(&pool, at, waits, gate)
    }));
    let is_there = async {
        match at {
            At::Query => shop.one_is_blocked().await,
            _ => waiting.await.expect("it says so"),
        }
    };
    select! {
        _ = &mut call => panic!("it waits"),
        there = timeout(LONG, is_there) => there.expect("it gets there"),
    }
    drop(call);
    // A transaction that goes on is let go on.
    let goes_on = policy == OnDrop::Finish || (policy == OnDrop::Cancel && at != At::FallibleWait);
    if goes_on {
        _ = open.send(());
        shop.unlock().await;
    }
    timeout(LONG, layer.handle().drained()).await.expect("it ends");
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 0));

    let seen = shop.customers().await;
    if seen.is_empty() {
        can_order(&shop, &pool).await;
    }
    Some(seen)
}

/// Asserts that nothing is left in the server of a transaction that came to nothing: its keys are free.
async fn can_order(shop: &Shop, pool: &PgPool) {
    let elsewhere = shop
        .ask(|conn| insert_into(orders::table).values((orders::id.eq(1), orders::customer.eq("next"))).execute(conn));
    timeout(LONG, elsewhere).await.expect("nothing holds its key").unwrap();
    let layer = FiberLayer::new();
    let pool = pool.clone();
    let here = layer.run(move || {
        let conn = &mut pool.get().unwrap();
        // It would fail on a connection that is inside of a transaction.
        conn.transaction(|conn| orders::table.select(orders::customer).load::<String>(conn))
    });
    assert_eq!(timeout(LONG, here).await.expect("there is a connection").unwrap(), ["next"]);
}

async fn each_policy(prefix: &str) {
    let both = || vec!["first".to_owned(), "second".to_owned()];
    for at in [At::FallibleWait, At::InfallibleWait, At::Query] {
        for (policy, expected) in [
            (OnDrop::Finish, both()),
            (OnDrop::Cancel, if at == At::FallibleWait { vec![] } else { both() }),
            (OnDrop::Unwind, vec![]),
        ] {
            let name = format!("{prefix}_{policy:?}_{at:?}").to_lowercase();
            let Some(seen) = caller_goes(&name, policy, at).await else { return };
            assert_eq!(seen, expected, "{policy:?} at {at:?}");
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn callers_go_in_place() {
    each_policy("in_place").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_go_on_the_pool() {
    each_policy("pooled").await;
}

#[tokio::test]
async fn a_query_that_is_left_holds_nobody_up() {
    let Some(shop) = Shop::open("left_query").await else { return };
    let pool = shop.pool(1);
    shop.lock().await;
    let layer = FiberLayer::new().on_drop(OnDrop::Unwind);
    let mut call = Box::pin(layer.run({
        let pool = pool.clone();
        // In no transaction.
        move || pool.get().unwrap().batch_execute(TAKE_LOCK)
    }));
    select! {
        _ = &mut call => panic!("it waits"),
        there = timeout(LONG, shop.one_is_blocked()) => there.expect("it gets there"),
    }
    drop(call);
    timeout(LONG, layer.handle().drained()).await.expect("it ends");
    can_order(&shop, &pool).await;
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_not_lent() {
    let Some(shop) = Shop::open("left_open").await else { return };
    let pool = shop.pool(1);
    let begun = FiberLayer::new().run({
        let pool = pool.clone();
        move || {
            let conn = &mut pool.get().unwrap();
            <PgConn as Connection>::TransactionManager::begin_transaction(conn).unwrap();
            insert_into(orders::table).values((orders::id.eq(1), orders::customer.eq("first"))).execute(conn).unwrap();
        }
    });
    begun.await;
    can_order(&shop, &pool).await;
}

#[tokio::test]
async fn a_caller_that_goes_while_it_waits_for_a_connection_is_cancelled() {
    let Some(shop) = Shop::open("waits_for_one").await else { return };
    let pool = shop.builder(1).wait_timeout(LONG).build();
    let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
    let get = || {
        let pool = pool.clone();
        layer.run(move || pool.get())
    };
    let lent = get().await.unwrap();
    let mut second = Box::pin(get());
    let waits = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending()));
    assert!(waits.await);
    drop(second);
    timeout(LONG / 2, layer.handle().drained()).await.expect("it waits no longer");
    drop(lent);
    assert!(get().await.is_ok());
}

async fn panics(name: &str) {
    let Some(shop) = Shop::open(name).await else { return };
    let pool = shop.pool(1);
    let call = FiberLayer::new().run({
        let pool = pool.clone();
        move || {
            pool.get().expect("the server runs").transaction(|conn| -> QueryResult<()> {
                insert_into(orders::table).values((orders::id.eq(1), orders::customer.eq("first"))).execute(conn)?;
                // As `panic!`, without its message.
                resume_unwind(Box::new("planned"))
            })
        }
    });
    let panic = tokio::spawn(call).await.unwrap_err().into_panic();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "planned");
    assert!(shop.customers().await.is_empty());
    can_order(&shop, &pool).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_transaction_panics_in_place() {
    panics("panics_in_place").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_panics_on_the_pool() {
    panics("panics_pooled").await;
}
