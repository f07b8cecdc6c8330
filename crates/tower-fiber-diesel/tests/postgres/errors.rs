//! What goes wrong, and places where no fiber is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use diesel::{ConnectionError, insert_into, prelude::*, result::DatabaseErrorKind, result::Error, sql_query};
use tokio::{net::TcpSocket, runtime::Runtime};
use tower_fiber::{block_on_waits, run_in_fiber};
use tower_fiber_diesel::PgPool;

use super::{
    common::on_one_thread,
    shop::{Shop, orders},
};

#[tokio::test]
async fn errors_are_diesels() {
    let Some(shop) = Shop::open("errors").await else { return };
    let pool = shop.pool(1);
    let placed = run_in_fiber({
        let pool = pool.clone();
        move || {
            let conn = &mut pool.get().unwrap();
            let order = (orders::id.eq(7), orders::customer.eq("Ada"));
            insert_into(orders::table).values(order).execute(conn).unwrap();
            conn.transaction(|conn| insert_into(orders::table).values(order).execute(conn))
        }
    });
    let Err(Error::DatabaseError(kind, information)) = placed.await else { panic!("the order is there already") };
    assert!(matches!(kind, DatabaseErrorKind::UniqueViolation));
    assert_eq!(information.constraint_name(), Some("orders_pkey"));

    // The transaction was rolled back, and the pool's one connection is good for the next.
    let placed = run_in_fiber({
        let pool = pool.clone();
        move || orders::table.select(orders::customer).load::<String>(&mut pool.get().unwrap())
    });
    assert_eq!(placed.await.unwrap(), ["Ada"]);

    // One that the server ends is an error for its caller, and is not lent again.
    let ended = run_in_fiber({
        let pool = pool.clone();
        move || sql_query("select pg_terminate_backend(pg_backend_pid())").execute(&mut pool.get().unwrap())
    });
    let error = ended.await.unwrap_err();
    assert!(matches!(error, Error::DatabaseError(..)), "{error:?}");
    let placed = run_in_fiber(move || orders::table.count().first::<i64>(&mut pool.get().unwrap()));
    assert_eq!(placed.await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_is_an_error() {
    // Bound, so that nobody else listens there either.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let pool = PgPool::new(format!("postgres://postgres@127.0.0.1:{port}/postgres"), 1);
    let refused = run_in_fiber(move || pool.get().map(drop)).await.unwrap_err();
    assert!(refused.to_string().contains("error connecting to server"), "{refused}");
}

#[tokio::test]
async fn a_pool_of_which_nothing_comes_back_says_so() {
    let Some(shop) = Shop::open("exhausted").await else { return };
    let pool = shop.builder(1).wait_timeout(Duration::from_millis(20)).build();
    let second = run_in_fiber(move || {
        let first = pool.get().unwrap();
        let second = pool.get().map(drop);
        drop(first);
        second
    });
    let ConnectionError::BadConnection(text) = second.await.unwrap_err() else { panic!("another error") };
    assert!(text.starts_with("none of 1 connections came free within 20ms"), "{text}");
}

#[test]
fn outside_a_fiber_it_says_what_to_do() {
    on_one_thread(async {
        let Some(shop) = Shop::open("outside").await else { return };
        let pool = shop.pool(1);
        let text = pool.get().map(drop).unwrap_err().to_string();
        assert!(text.contains("run_in_fiber") && text.contains("block_on_waits"), "{text}");

        let mut conn = run_in_fiber(move || pool.get()).await.unwrap();
        let payload = catch_unwind(AssertUnwindSafe(|| orders::table.count().first::<i64>(&mut conn))).unwrap_err();
        let text = payload.downcast::<String>().unwrap();
        assert!(text.contains("run_in_fiber") && text.contains("block_on_waits"), "{text}");
    });
}

#[test]
fn a_thread_may_block_on_purpose() {
    let runtime = Runtime::new().unwrap();
    let Some(shop) = runtime.block_on(Shop::open("threads")) else { return };
    let pool = shop.pool(1);
    thread::scope(|scope| {
        for name in ["Ada", "Grace"] {
            let (pool, runtime) = (&pool, &runtime);
            scope.spawn(move || {
                let _entered = runtime.enter();
                block_on_waits(|| {
                    let conn = &mut pool.get().unwrap();
                    insert_into(orders::table).values(orders::customer.eq(name)).execute(conn).unwrap();
                });
            });
        }
    });
    assert_eq!(runtime.block_on(shop.customers()), ["Ada", "Grace"]);
}
