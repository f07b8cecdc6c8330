//! Functions that take diesel's own `&mut SqliteConnection`, on the blocking pool.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use diesel::{connection::TransactionManager as _, insert_into, prelude::*};
use tower_fiber::{OnDrop, block_on_waits};

use super::{
    library::{Held, Shop, everywhere, orders, query_that_holds},
    sqlite_cut_in_query::{cut, place_next},
};

// As they were before.
fn order(conn: &mut SqliteConnection, customer: &str) -> QueryResult<usize> {
    insert_into(orders::table).values(orders::customer.eq(customer)).execute(conn)
}

fn order_twice(conn: &mut SqliteConnection) -> QueryResult<usize> {
    conn.immediate_transaction(|conn| {
        order(conn, "first")?;
        conn.transaction(|conn| order(conn, "second"))
    })
}

fn order_and_hold(conn: &mut SqliteConnection) -> QueryResult<usize> {
    conn.immediate_transaction(|conn| {
        order(conn, "first")?;
        query_that_holds(conn)?;
        order(conn, "second")
    })
}

#[test]
fn it_runs_on_another_thread_and_gives_its_output_back() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let pool = shop.pool();
        let call = layer.run(move || {
            let here = thread::current().id();
            let there = pool.with(|_| thread::current().id()).expect("it is free");
            assert_ne!(here, there);
            pool.with(order_twice).expect("it is free")
        });
        assert_eq!(call.await, Ok(1));
        assert_eq!(shop.customers(), ["first", "second"]);
    });
}

#[test]
fn its_caller_goes_and_it_runs_to_its_end() {
    for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
        everywhere(policy, async |layer| {
            let shop = Shop::new();
            let (pool, Held { runs, go_on }) = shop.pool_with_hold();
            let held = pool.clone();
            cut(layer.run(move || held.with(order_and_hold)), runs).await;
            if policy == OnDrop::Unwind {
                // Its fiber does not wait for it.
                layer.handle().drained().await;
            }
            go_on.send(()).expect("it still waits");
            place_next(&layer, &pool).await;
            assert_eq!(shop.customers(), ["first", "second", "next"]);
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().leaked, 0);
        });
    }
}

#[test]
fn it_panics_or_leaves_a_transaction_open() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let pool = shop.pool();
        let panics = pool.clone();
        let call = layer.run(move || {
            let panics = || {
                panics.with(|conn| {
                    conn.transaction(|conn| -> QueryResult<()> {
                        order(conn, "first")?;
                        resume_unwind(Box::new("planned"))
                    })
                })
            };
            catch_unwind(AssertUnwindSafe(panics)).unwrap_err()
        });
        assert_eq!(call.await.downcast_ref(), Some(&"planned"));

        let open = pool.clone();
        let call = layer.run(move || {
            let begin = |conn: &mut SqliteConnection| {
                <SqliteConnection as Connection>::TransactionManager::begin_transaction(conn)?;
                order(conn, "second")
            };
            open.with(begin).expect("it is free")
        });
        assert_eq!(call.await, Ok(1));
        place_next(&layer, &pool).await;
        assert_eq!(shop.customers(), ["next"]);
    });
}

#[test]
fn outside_a_fiber_it_says_what_to_do() {
    let shop = Shop::new();
    let pool = shop.pool();
    let text = pool.with(order_twice).unwrap_err().to_string();
    assert!(text.contains("run_in_fiber") && text.contains("block_on_waits"), "{text}");

    // There it stays on the thread, which may block.
    let (here, there) = block_on_waits(|| (thread::current().id(), pool.with(|_| thread::current().id())));
    assert_eq!(there, Ok(here));
    assert_eq!(block_on_waits(|| pool.with(order_twice)), Ok(Ok(1)));
    assert_eq!(block_on_waits(|| pool.get().map(|mut conn| super::library::place(&mut conn, "third"))), Ok(Ok(())));
    assert_eq!(shop.customers(), ["first", "second", "third"]);
}
