//! Transactions with an isolation level.

use diesel::{insert_into, prelude::*, result::Error, sql_query, sql_types::Text};
use tower_fiber::run_in_fiber;
use tower_fiber_diesel::{PgConn as PgConnection, postgres::BuildTransaction as _};

use super::shop::{Shop, orders};

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

// A function as it is written for diesel's own connection.
fn setting(conn: &mut PgConnection, name: &str) -> QueryResult<String> {
    let query = sql_query(format!("select current_setting('{name}') as value"));
    query.get_result::<Setting>(conn).map(|setting| setting.value)
}

fn settings(conn: &mut PgConnection) -> QueryResult<[String; 3]> {
    let mut setting = |name| setting(conn, name);
    Ok([setting("transaction_isolation")?, setting("transaction_read_only")?, setting("transaction_deferrable")?])
}

#[tokio::test]
async fn each_level_and_mode_reaches_the_server() {
    let Some(shop) = Shop::open("levels").await else { return };
    let pool = shop.pool(1);
    let seen = run_in_fiber(move || {
        let conn = &mut pool.get().expect("the server runs");
        Ok::<_, Error>([
            conn.build_transaction().run(settings)?,
            conn.build_transaction().read_committed().read_only().run(settings)?,
            conn.build_transaction().repeatable_read().read_write().run(settings)?,
            conn.build_transaction().serializable().read_only().deferrable().run(settings)?,
            conn.build_transaction().serializable().not_deferrable().run(settings)?,
        ])
    });
    let expected = [
        ["read committed", "off", "off"],
        ["read committed", "on", "off"],
        ["repeatable read", "off", "off"],
        ["serializable", "on", "on"],
        ["serializable", "off", "off"],
    ];
    assert_eq!(seen.await.unwrap(), expected);
}

#[tokio::test]
async fn it_ends_as_diesels() {
    let Some(shop) = Shop::open("ends").await else { return };
    let pool = shop.pool(1);
    let order =
        |id, name: &str| insert_into(orders::table).values((orders::id.eq(id), orders::customer.eq(name.to_owned())));
    run_in_fiber(move || {
        let conn = &mut pool.get().expect("the server runs");
        let placed = conn.build_transaction().serializable().run(|conn| {
            order(1, "first").execute(conn)?;
            // A savepoint in it.
            conn.transaction(|conn| order(2, "second").execute(conn))?;
            let nested = conn.build_transaction().run(|_| Ok::<_, Error>(()));
            assert_eq!(nested, Err(Error::AlreadyInTransaction));
            Ok::<_, Error>(())
        });
        assert_eq!(placed, Ok(()));
        let failed = conn.build_transaction().repeatable_read().run(|conn| {
            order(3, "third").execute(conn)?;
            Err::<(), _>(Error::RollbackTransaction)
        });
        assert_eq!(failed, Err(Error::RollbackTransaction));
        let refused = conn.build_transaction().read_only().run(|conn| order(4, "fourth").execute(conn));
        assert!(matches!(refused, Err(Error::DatabaseError(..))), "{refused:?}");
    })
    .await;
    assert_eq!(shop.customers().await, ["first", "second"]);
}

/// Two that read what the other writes.
#[tokio::test]
async fn what_cannot_be_serialized_fails_at_its_commit() {
    let Some(shop) = Shop::open("serializable").await else { return };
    let pool = shop.pool(2);
    let (first, second) = run_in_fiber(move || {
        let (mut one, mut other) = (pool.get().expect("the server runs"), pool.get().expect("the server runs"));
        let count_and_order = |conn: &mut PgConnection, id: i32| {
            let count = orders::table.count().get_result::<i64>(conn)?;
            insert_into(orders::table).values((orders::id.eq(id), orders::customer.eq(count.to_string()))).execute(conn)
        };
        let mut second = Ok(0);
        let first = one.build_transaction().serializable().run(|one| {
            let first = count_and_order(one, 1);
            second = other.build_transaction().serializable().run(|other| count_and_order(other, 2));
            first
        });
        (first, second)
    })
    .await;
    assert_eq!(second, Ok(1));
    let Err(Error::DatabaseError(kind, _)) = first else { panic!("both counted none: {first:?}") };
    assert!(matches!(kind, diesel::result::DatabaseErrorKind::SerializationFailure));
    assert_eq!(shop.customers().await, ["0"]);
}
