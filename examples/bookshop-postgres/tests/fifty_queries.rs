//! Fifty requests at once on one thread, whose queries all wait in PostgreSQL.

extern crate self as bookshop;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bookshop_postgres::db::Pools;
use bookshop_postgres::legacy::Shop;
use bookshop_postgres::{bridge, legacy, warehouse, web};
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::harness::{TestShop, http_supplier, serve};

mod db;
#[path = "../../bookshop/tests/harness/mod.rs"]
mod harness;

/// Requests at the same time.
const REQUESTS: i32 = 50;

/// The tests look at what one thread does, so they take turns.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A shop that has a connection for each of the requests, and two more.
async fn shop() -> TestShop {
    let warehouse = serve(warehouse::router(Duration::ZERO)).await;
    let shop = TestShop::open(Arc::new(http_supplier(&warehouse))).await;
    let connections = usize::try_from(REQUESTS).unwrap() + 2;
    let pools = Pools::new(shop.database.url(), connections, 1);
    let shelf = Shop::new(Arc::new(pools), Arc::new(http_supplier(&warehouse)));
    TestShop { url: serve(web::router(Arc::new(shelf), &web::layers())).await, ..shop }
}

/// Asks for books from number `first` on, all at the same time, and checks the answers.
async fn ask(shop: &TestShop, first: i32, requests: i32) {
    let answer = async |id: i32| {
        let answer = shop.get(&format!("/api/books/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["id"], id);
        assert_eq!(answer.json()["copies"], if id % 10 == 0 { 0 } else { id * 7 % 12 + 3 });
    };
    join_all((first..first + requests).map(answer)).await;
}

#[tokio::test]
async fn wait_for_a_lock_and_let_others_pass() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let shop = shop().await;
    let mut locks = shop.database.visitor().await;
    let mut visitor = shop.database.visitor().await;
    locks.run("BEGIN; LOCK TABLE stock").await;

    let others = async {
        let all_wait = format!("count(*) FILTER (WHERE wait_event_type = 'Lock') = {REQUESTS}");
        visitor.until(&all_wait).await;
        // They wait in the bridge, as fibers of this thread.
        let fibers = shop.get("/fibers/text").await.body;
        assert!(fibers.contains("layer `api`: live 50,") && fibers.contains("50 waiting at"), "{fibers}");
        assert!(fibers.contains("block_on.rs"), "{fibers}");
        assert!(fibers.contains(&format!("{:?}", thread::current().id())), "{fibers}");
        // Another request gets it.
        assert_eq!(shop.get("/api/books?q=garden").await.status, 200);
        assert_eq!(shop.get("/healthz").await.status, 200);
        visitor.until(&all_wait).await;
        locks.run("COMMIT").await;
    };
    let all = timeout(Duration::from_secs(60), async { tokio::join!(ask(&shop, 1, REQUESTS), others) });
    all.await.expect("nobody waits for ever");
}

#[tokio::test]
async fn take_the_time_of_one() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let shop = shop().await;
    // From number 201 on, a look at the shelf takes a second.
    let slow = 201;
    let view = "ALTER TABLE stock RENAME TO shelf;
        CREATE VIEW stock AS SELECT shelf.* FROM shelf, LATERAL pg_sleep(CASE WHEN book_id > 200 THEN 1 ELSE 0 END)";
    shop.database.visitor().await.run(view).await;

    let timed = async |first, requests| {
        let start = Instant::now();
        ask(&shop, first, requests).await;
        start.elapsed()
    };
    // The first ones open the connections.
    timed(1, REQUESTS).await;
    let mut seen = Vec::new();
    // The machine may have other things to do.
    for _ in 0..3 {
        let work = timed(1, REQUESTS).await;
        let one = timed(slow, 1).await;
        let all = timed(slow, REQUESTS).await;
        assert!(one >= Duration::from_secs(1), "a single request took {one:?} and did not wait");
        let times = format!("{all:?} for {REQUESTS}, {one:?} for one, {work:?} for {REQUESTS} that do not wait");
        println!("{times}");
        if all <= (one + work).mul_f64(1.3) {
            return;
        }
        seen.push(times);
    }
    panic!("the queries do not wait at the same time: {seen:#?}");
}
