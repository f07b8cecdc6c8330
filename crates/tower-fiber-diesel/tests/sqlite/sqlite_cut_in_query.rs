//! Callers that go, and code that panics, in a query and in a transaction that runs query by query.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Poll,
    time::Duration,
};

use diesel::{QueryResult, connection::TransactionManager as _, result::Error};
use tokio::{select, sync::oneshot, time::timeout};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, await_in_fiber, run_local, try_await_in_fiber};
use tower_fiber_diesel::{SqliteConn, SqlitePool, sqlite::SqliteTransactions as _};

use super::library::{Held, Shop, everywhere, place, query_that_holds};

/// Long, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(60);

/// Polls `call` until it says that it is where the test wants it, and drops it there.
pub(crate) async fn cut(call: impl Future, is_there: oneshot::Receiver<()>) {
    select! {
        biased;
        _ = call => panic!("it ends before it is cut"),
        there = is_there => there.expect("it gets there"),
    }
}

/// Places an order by the pool's only connection, in a transaction that waits for no lock.
pub(crate) async fn place_next(layer: &FiberLayer, pool: &SqlitePool) {
    let pool = pool.clone();
    let placed = layer.run(move || pool.get().expect("it is free").immediate_transaction(|conn| place(conn, "next")));
    assert_eq!(timeout(LONG, placed).await.expect("it comes free"), Ok(()));
}

/// Lets the query end that a caller has left, and asserts that the next caller waits until then.
async fn end_query(shop: &Shop, layer: &FiberLayer, pool: &SqlitePool, go_on: std::sync::mpsc::Sender<()>) {
    let mut next = Box::pin(place_next(layer, pool));
    assert!(poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await);
    assert!(shop.customers().is_empty());
    go_on.send(()).expect("it still waits");
    next.await;
    assert_eq!(shop.customers(), ["next"]);
}

fn order_and_hold(pool: &SqlitePool) -> QueryResult<i32> {
    pool.get().expect("it is free").immediate_transaction(|conn| {
        place(conn, "first")?;
        query_that_holds(conn)
    })
}

/// An unwound query is left to its thread, and its connection is closed after it.
#[test]
fn sqlite_cut_in_query() {
    everywhere(OnDrop::Unwind, async |layer| {
        let shop = Shop::new();
        let (pool, Held { runs, go_on }) = shop.pool_with_hold();
        let held = pool.clone();
        cut(layer.run(move || order_and_hold(&held)), runs).await;
        // The fiber ends although its query does not.
        timeout(LONG, layer.handle().drained()).await.expect("nothing blocks it");
        assert_eq!(layer.handle().counters().leaked, 0);
        end_query(&shop, &layer, &pool, go_on).await;
    });
}

#[test]
fn a_local_fiber_is_unwound_in_a_query() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let (pool, Held { runs, go_on }) = shop.pool_with_hold();
        let held = pool.clone();
        cut(run_local(move || order_and_hold(&held)), runs).await;
        end_query(&shop, &layer, &pool, go_on).await;
    });
}

#[test]
fn a_future_is_dropped_in_a_query() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let (pool, Held { runs, go_on }) = shop.pool_with_hold();
        let mut lent = pool.lend().await.expect("it is free");
        cut(
            lent.spawn_blocking(|conn| {
                place(conn, "first")?;
                query_that_holds(conn)
            }),
            runs,
        )
        .await;
        drop(lent);
        let mut next = Box::pin(place_next(&layer, &pool));
        assert!(poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await);
        go_on.send(()).expect("it still waits");
        next.await;
        assert_eq!(shop.customers(), ["first", "next"], "it was in no transaction");
    });
}

#[test]
fn a_call_that_is_not_unwound_ends_its_transaction() {
    for policy in [OnDrop::Finish, OnDrop::Cancel] {
        everywhere(policy, async |layer| {
            let shop = Shop::new();
            let (pool, Held { runs, go_on }) = shop.pool_with_hold();
            let held = pool.clone();
            cut(layer.run(move || order_and_hold(&held)), runs).await;
            go_on.send(()).expect("it still waits");
            timeout(LONG, layer.handle().drained()).await.expect("it ends");
            place_next(&layer, &pool).await;
            assert_eq!(shop.customers(), ["first", "next"]);
        });
    }
}

/// Orders, and waits in the transaction for what never comes.
fn order_and_wait(pool: &SqlitePool, says: oneshot::Sender<()>, fallible: bool) -> QueryResult<()> {
    let (_never, gate) = oneshot::channel::<()>();
    pool.get().expect("it is free").immediate_transaction(|conn| {
        place(conn, "first")?;
        says.send(()).expect("the test waits for it");
        if fallible {
            _ = try_await_in_fiber(gate).map_err(|_| Error::RollbackTransaction)?;
        } else {
            _ = gate.wait();
        }
        Ok(())
    })
}

#[test]
fn a_transaction_is_cut_between_two_queries() {
    for (policy, fallible) in [(OnDrop::Unwind, false), (OnDrop::Unwind, true), (OnDrop::Cancel, true)] {
        everywhere(policy, async |layer| {
            let shop = Shop::new();
            let pool = shop.pool();
            let (says, there) = oneshot::channel();
            let waits = pool.clone();
            cut(layer.run(move || order_and_wait(&waits, says, fallible)), there).await;
            timeout(LONG, layer.handle().drained()).await.expect("it ends");
            assert_eq!(layer.handle().counters().leaked, 0);
            place_next(&layer, &pool).await;
            assert_eq!(shop.customers(), ["next"]);
        });
    }
}

#[test]
fn a_transaction_panics_or_is_left_open() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let pool = shop.pool();
        let panics = pool.clone();
        let call = layer.run(move || {
            catch_unwind(AssertUnwindSafe(|| {
                panics.get().expect("it is free").immediate_transaction(|conn| -> QueryResult<()> {
                    place(conn, "first")?;
                    // As `panic!`, without its message.
                    resume_unwind(Box::new("planned"))
                })
            }))
        });
        assert_eq!(call.await.unwrap_err().downcast_ref(), Some(&"planned"));

        let open = pool.clone();
        let call = layer.run(move || {
            let conn = &mut open.get().expect("it is free");
            <SqliteConn as diesel::Connection>::TransactionManager::begin_transaction(conn)?;
            place(conn, "second")
        });
        assert_eq!(call.await, Ok(()));
        place_next(&layer, &pool).await;
        assert_eq!(shop.customers(), ["next"]);
    });
}

#[test]
fn a_query_panics_on_its_thread() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let pool = shop.pool();
        let panics = pool.clone();
        let call = layer.run(move || {
            let conn = &mut panics.get().expect("it is free");
            let query = conn.spawn_blocking(|_| -> QueryResult<()> { resume_unwind(Box::new("planned")) });
            // The connection is dropped by no unwinding.
            catch_unwind(AssertUnwindSafe(|| await_in_fiber(query))).unwrap_err()
        });
        assert_eq!(call.await.downcast_ref(), Some(&"planned"));
        place_next(&layer, &pool).await;
        assert_eq!(shop.customers(), ["next"]);
    });
}
