//! A handler that panics in the middle of a transaction.

use std::time::Duration;

use bookshop_postgres::legacy::schema::stock::dsl::{book_id, copies, stock};
use bookshop_postgres::legacy::{Database, ShopError};
use diesel::prelude::*;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower_fiber::{FiberLayer, WaitExt};

use crate::db::TemporaryDatabase;

/// The panic closes the connection at once, and not only when the pool is asked for it. Nobody asks here: the caller
/// that waits for the lock has a connection already.
#[tokio::test]
async fn a_panic_frees_its_locks_at_once() {
    let database = TemporaryDatabase::create().await.unwrap();
    let mut visitor = database.visitor().await;
    let layer = FiberLayer::new();
    let take_one = |pools: &dyn Database, then: Box<dyn FnOnce() + Send>| {
        let conn = &mut pools.writer()?;
        conn.transaction(|conn| {
            let taken = diesel::update(stock).filter(book_id.eq(7)).set(copies.eq(copies - 1)).execute(conn)?;
            then();
            Ok::<_, ShopError>(taken)
        })
    };

    let (open, gate) = oneshot::channel::<()>();
    let pools = database.pools();
    let panics = layer.run(move || {
        take_one(
            &pools,
            Box::new(|| {
                gate.wait().expect("the test opens it");
                panic!("planned, in a transaction");
            }),
        )
    });
    let panics = tokio::spawn(panics);
    visitor.until("count(*) FILTER (WHERE state = 'idle in transaction') = 1").await;
    let pools = database.pools();
    let waits = tokio::spawn(layer.run(move || take_one(&pools, Box::new(|| {}))));
    visitor.until("count(*) FILTER (WHERE wait_event_type = 'Lock') = 1").await;

    open.send(()).unwrap();
    assert!(panics.await.unwrap_err().is_panic());
    let taken = timeout(Duration::from_secs(10), waits).await.expect("the lock is free").unwrap();
    assert_eq!(taken.unwrap(), 1);
    visitor.until("bool_and(state = 'idle')").await;
}
