//! Transactions that begin by a lock, and what each connection begins with.

use diesel::{
    QueryResult,
    result::{ConnectionError, DatabaseErrorKind, Error},
};
use tower_fiber::OnDrop;
use tower_fiber_diesel::{SqlitePool, sqlite::SqliteTransactions as _};

use super::library::{Shop, everywhere, place};

fn is_locked(outcome: &QueryResult<()>) -> bool {
    matches!(outcome, Err(Error::DatabaseError(DatabaseErrorKind::Unknown, text)) if text.message().contains("locked"))
}

#[test]
fn they_lock_from_their_beginning_and_end_as_diesels() {
    everywhere(OnDrop::Finish, async |layer| {
        let shop = Shop::new();
        let (pool, mut other) = (shop.pool(), shop.connect());
        let call = layer.run(move || {
            let conn = &mut pool.get().expect("it is free");
            let placed = conn.immediate_transaction(|conn| {
                assert!(is_locked(&place(&mut other, "other")));
                assert_eq!(conn.exclusive_transaction(|_| Ok::<_, Error>(())), Err(Error::AlreadyInTransaction));
                place(conn, "first")
            });
            assert_eq!(placed, Ok(()));
            let failed = conn.exclusive_transaction(|conn| {
                assert!(is_locked(&place(&mut other, "other")));
                place(conn, "second")?;
                Err::<(), _>(Error::RollbackTransaction)
            });
            assert_eq!(failed, Err(Error::RollbackTransaction));
            place(&mut other, "other")
        });
        assert_eq!(call.await, Ok(()));
        assert_eq!(shop.customers(), ["first", "other"]);
    });
}

#[test]
fn connections_are_set_up() {
    everywhere(OnDrop::Finish, async |layer| {
        let outcome = layer.run(|| {
            let pool =
                SqlitePool::builder(":memory:").max_size(1).setup("CREATE TABLE a (b); PRAGMA query_only = ON").build();
            let conn = &mut pool.get().expect("it is in memory");
            use diesel::connection::SimpleConnection as _;
            conn.batch_execute("INSERT INTO a VALUES (1)")
        });
        let Err(Error::DatabaseError(_, text)) = outcome.await else { panic!("it is for queries only") };
        assert!(text.message().contains("readonly"), "{}", text.message());

        let outcome = layer.run(|| SqlitePool::builder(":memory:").setup("nonsense").build().get().map(drop)).await;
        assert!(matches!(outcome, Err(ConnectionError::CouldntSetupConfiguration(_))), "{outcome:?}");
        let outcome = layer.run(|| SqlitePool::new("/not/there/shop.sqlite3", 1).get().map(drop)).await;
        assert!(matches!(outcome, Err(ConnectionError::BadConnection(_))), "{outcome:?}");
    });
}
