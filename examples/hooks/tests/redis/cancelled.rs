//! Callers that go while they wait for an answer.

use futures_util::future::join_all;
use hooks::redis::FiberConnection;
use redis::{Commands as _, cmd};
use tokio::{select, sync::oneshot, time::timeout};
use tower_fiber::{FiberLayer, OnDrop, run_in_fiber};

use super::{LONG, client, errors::is_blocked};

/// How many callers share the connection with the caller that goes.
const OTHERS: usize = 10;

async fn caller_goes(policy: OnDrop, key: &'static str) {
    let Some(client) = client() else { return };
    let layer = FiberLayer::new().on_drop(policy);
    let opened = run_in_fiber(move || {
        let mut conn = FiberConnection::open_unlimited(&client).unwrap();
        let id: u64 = cmd("CLIENT").arg("ID").query(&mut conn).unwrap();
        (conn, id, FiberConnection::open_unlimited(&client).unwrap())
    });
    let (conn, id, other) = opened.await;

    let (tell, told) = oneshot::channel();
    let mut call = Box::pin(layer.run({
        let mut conn = conn.clone();
        move || {
            let popped = conn.blpop::<_, (String, String)>(key, 0.0);
            // What goes on after an error gets one at once.
            let later = conn.get::<_, Option<String>>(key);
            tell.send([popped.map(drop), later.map(drop)]).expect("the test listens");
        }
    }));
    let is_there = run_in_fiber({
        let mut other = other.clone();
        move || is_blocked(&mut other, id)
    });
    select! {
        () = &mut call => panic!("it waits"),
        there = timeout(LONG, is_there) => there.expect("it gets there"),
    }
    drop(call);
    for outcome in timeout(LONG, told).await.expect("it is told").unwrap() {
        let error = outcome.unwrap_err();
        assert!(error.is_connection_dropped(), "{error}");
        assert!(error.to_string().contains("its caller has gone"), "{error}");
    }
    layer.handle().drained().await;
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 0));

    // The others' answers come after the one that nobody waits for, and none gets another's.
    let others = join_all((0..OTHERS).map(|number| {
        let mut conn = conn.clone();
        run_in_fiber(move || cmd("ECHO").arg(number).query::<usize>(&mut conn))
    }));
    let push = run_in_fiber({
        let mut other = other.clone();
        move || other.lpush::<_, _, ()>(key, "for nobody")
    });
    let both = async { tokio::join!(others, push) };
    let (echoes, pushed) = timeout(LONG, both).await.expect("the connection is of use to others");
    pushed.unwrap();
    assert!(echoes.into_iter().map(Result::unwrap).eq(0..OTHERS));
}

#[tokio::test(flavor = "current_thread")]
async fn callers_go_in_place() {
    caller_goes(OnDrop::Cancel, "cancelled").await;
    caller_goes(OnDrop::Unwind, "unwound").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_go_on_the_pool() {
    caller_goes(OnDrop::Cancel, "cancelled:pool").await;
    caller_goes(OnDrop::Unwind, "unwound:pool").await;
}
