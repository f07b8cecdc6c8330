//! Callers that go in the middle of a query of SQLite, which another thread runs: the fiber unwinds, and the query is left to that thread.

use std::future::Future;

use diesel::{prelude::*, sql_query, sql_types::BigInt, sqlite::SqliteConnection};
use diesel_async::{
    AsyncConnection as _, async_connection_wrapper::AsyncConnectionWrapper,
    sync_connection_wrapper::SyncConnectionWrapper,
};
use hooks::diesel::FiberBlockOn;
use tokio::{runtime::Builder, select, sync::oneshot};
use tower_fiber::{FiberLayer, FiberPool, OnDrop, Placement, WaitExt as _, run_in_fiber, run_local};

type Conn = AsyncConnectionWrapper<SyncConnectionWrapper<SqliteConnection>, FiberBlockOn>;

fn conn() -> Conn {
    SyncConnectionWrapper::establish(":memory:").wait().expect("it is in memory").into()
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    sum: i64,
}

/// The sum of the numbers up to `last`, which takes SQLite a while if they are many. Says when the query is next.
fn sum(last: u32, begins: oneshot::Sender<()>) -> i64 {
    let mut conn = conn();
    begins.send(()).expect("the test waits for it");
    let numbers = format!("with recursive c(x) as (select 1 union all select x + 1 from c where x < {last})");
    let query = sql_query(format!("{numbers} select sum(x) as sum from c"));
    query.get_result::<Sum>(&mut conn).expect("it is a good query").sum
}

const LONG: u32 = 1_000_000;

/// Polls `call` until it waits for the query, and drops it.
async fn cut(call: impl Future, begun: oneshot::Receiver<()>) {
    select! {
        biased;
        _ = call => panic!("it ends before it is looked at again"),
        begun = begun => begun.expect("it gets there"),
    }
}

#[test]
fn a_local_fiber_in_a_query() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (begins, begun) = oneshot::channel();
        cut(run_local(|| sum(LONG, begins)), begun).await;
        let (begins, _begun) = oneshot::channel();
        assert_eq!(run_in_fiber(|| sum(10, begins)).await, 55, "another one works");
    });
}

#[test]
fn a_call_that_unwinds_in_a_query() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let builder = FiberLayer::builder().name("sums").on_drop(OnDrop::Unwind);
    for builder in [builder.clone().placement(Placement::InPlace), builder.placement(pool)] {
        let layer = builder.build().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (begins, begun) = oneshot::channel();
            cut(layer.run(|| sum(LONG, begins)), begun).await;
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().leaked, 0);
            let (begins, _begun) = oneshot::channel();
            assert_eq!(layer.run(|| sum(10, begins)).await, 55, "another one works");
        });
    }
}
