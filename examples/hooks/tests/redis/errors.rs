//! What goes wrong, and places where no fiber is.

use std::thread;

use hooks::redis::{FiberConnection, subscribe};
use redis::{Client, Commands as _, ConnectionLike as _, RedisResult, cmd};
use tokio::{net::TcpSocket, runtime::Runtime, time::timeout};
use tower_fiber::{block_on_waits, join, run_in_fiber};

use super::{LONG, client};

#[tokio::test]
async fn the_servers_errors_leave_the_connection_as_it_was() {
    let Some(client) = client() else { return };
    let outcome = run_in_fiber(move || {
        let mut conn = FiberConnection::open_unlimited(&client).unwrap();
        () = conn.set("errors:text", "text").unwrap();
        let error = conn.lpush::<_, _, ()>("errors:text", "word").unwrap_err();
        assert!(conn.is_open());
        (error, conn.get::<_, String>("errors:text"))
    });
    let (error, text) = outcome.await;
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert_eq!(text.unwrap(), "text");
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_closed_for_all_clones() {
    let Some(client) = client() else { return };
    let outcome = run_in_fiber(move || {
        let mut conn = FiberConnection::open_unlimited(&client).unwrap();
        let mut clone = conn.clone();
        let id: u64 = cmd("CLIENT").arg("ID").query(&mut conn).unwrap();
        let mut other = FiberConnection::open_unlimited(&client).unwrap();
        let mut killer = other.clone();
        let wait = move || conn.blpop::<_, ()>("errors:nothing", 0.0);
        let kill = move || {
            is_blocked(&mut killer, id);
            cmd("CLIENT").arg("KILL").arg("ID").arg(id).query::<u64>(&mut killer).unwrap()
        };
        let (waited, killed) = join(wait, kill);
        assert_eq!(killed, 1);
        assert!(!clone.is_open() && !clone.check_connection());
        assert!(other.is_open() && other.check_connection());
        (waited, clone.get::<_, Option<String>>("errors:nothing"))
    });
    let (waited, later) = timeout(LONG, outcome).await.expect("it is told");
    for error in [waited.unwrap_err(), later.unwrap_err()] {
        assert!(error.is_connection_dropped(), "{error}");
    }
}

/// Waits until the client waits in a command.
pub(super) fn is_blocked(conn: &mut FiberConnection, id: u64) {
    let mut list = cmd("CLIENT");
    list.arg("LIST").arg("ID").arg(id);
    while !list.query::<String>(conn).unwrap().contains(" flags=b") {}
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_an_error() {
    let Some(client) = client() else { return };
    let outcome = run_in_fiber(move || {
        let mut conn = FiberConnection::open(&client).unwrap();
        let error = conn.blpop::<_, ()>("errors:late", 0.0).unwrap_err();
        assert!(conn.is_open());
        // Its answer is nobody's when it comes.
        () = FiberConnection::open_unlimited(&client).unwrap().lpush("errors:late", "late").unwrap();
        while conn.get::<_, Option<String>>("errors:none") != Ok(None) {}
        error
    });
    let error = timeout(LONG, outcome).await.expect("the connection is of use again");
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_is_an_error() {
    // Bound, so that nobody else listens there either.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = Client::open(format!("redis://{}/", socket.local_addr().unwrap())).unwrap();
    let refused =
        run_in_fiber(move || [FiberConnection::open(&client).map(drop), subscribe(&client, "nothing").map(drop)]);
    for error in refused.await.map(Result::unwrap_err) {
        assert!(error.is_connection_refusal(), "{error}");
    }
}

#[tokio::test]
async fn outside_a_fiber_it_says_what_to_do() {
    let Some(client) = client() else { return };
    let mut conn = run_in_fiber({
        let client = client.clone();
        move || FiberConnection::open_unlimited(&client).unwrap()
    })
    .await;
    for outcome in [
        FiberConnection::open(&client).map(drop),
        subscribe(&client, "nothing").map(drop),
        conn.get("errors:none"),
        redis::pipe().get("errors:none").query(&mut conn),
    ] {
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("run_in_fiber") && text.contains("block_on_waits"), "{text}");
    }
    assert!(conn.is_open());
}

#[test]
fn a_thread_may_block_on_purpose() {
    let Some(client) = client() else { return };
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let conn = block_on_waits(|| FiberConnection::open_unlimited(&client)).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut conn = conn.clone();
            scope.spawn(move || block_on_waits(|| conn.incr::<_, _, u64>("errors:threads", 1)).unwrap());
        }
    });
    let mut conn = conn;
    let count: RedisResult<u64> = block_on_waits(|| conn.get("errors:threads"));
    assert_eq!(count.unwrap(), 3);
}
