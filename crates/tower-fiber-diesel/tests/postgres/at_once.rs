//! Fifty transactions at once on one thread.

use std::time::Duration;

use diesel::{dsl::count_star, insert_into, prelude::*, sql_query};

use super::{
    common::{CALLERS, on_one_thread, overlap},
    shop::{Shop, orders},
};

#[test]
fn fifty_transactions_at_once_on_one_thread() {
    on_one_thread(async {
        let Some(shop) = Shop::open("at_once").await else { return };
        let pool = shop.pool(CALLERS);
        let transactions = {
            let pool = pool.clone();
            move |caller, wait: Duration| {
                let conn = &mut pool.get().unwrap();
                let name = format!("caller {caller}");
                let seen = conn.transaction(|conn| {
                    let order = insert_into(orders::table).values(orders::customer.eq(&name));
                    let order = order.returning(orders::id).get_result::<i32>(conn)?;
                    sql_query(format!("select pg_sleep({})", wait.as_secs_f64())).execute(conn)?;
                    orders::table.find(order).select(orders::customer).first::<String>(conn)
                });
                assert_eq!(seen.unwrap(), name);
            }
        };
        overlap(transactions).await;

        // A session for each, and the shop's own.
        assert_eq!(shop.sessions("true").await, CALLERS as i64 + 1);
        let rows = shop.ask(|conn| {
            let rows = orders::table.group_by(orders::customer).select((orders::customer, count_star()));
            rows.load::<(String, i64)>(conn).unwrap()
        });
        // Each has as many rows as it was called, and the first was once called alone.
        let rows = rows.await;
        assert_eq!(rows.len(), CALLERS);
        let of = |caller| rows.iter().find(|(name, _)| *name == format!("caller {caller}")).expect("it has rows").1;
        assert!((1..CALLERS).all(|caller| of(caller) == of(1)), "{rows:?}");
        assert!(of(0) > of(1), "{rows:?}");
    });
}
