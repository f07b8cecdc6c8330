//! Fibers that share one connection, and those that must not.

use futures_util::future::join_all;
use hooks::redis::FiberConnection;
use redis::{Commands as _, RedisResult, Script, pipe};
use tower_fiber::{FiberLayer, run_in_fiber};

use super::{
    client,
    common::{CALLERS, on_one_thread},
};

/// Commands of each kind; gives what the counter was after the own step.
fn use_connection(conn: &mut FiberConnection, caller: usize) -> RedisResult<usize> {
    let key = format!("shared:{caller}");
    // Bytes of any kind, none, and more than fit into a buffer.
    for bytes in [&b"\r\n$3\r\n\0\xff"[..], b"", &[7; 100_000]] {
        () = conn.set(&key, bytes)?;
        assert_eq!(conn.get::<_, Vec<u8>>(&key)?, bytes);
    }

    let (number, text): (usize, String) =
        pipe().set(&key, caller).ignore().get(&key).cmd("ECHO").arg(format!("{caller} by pipeline")).query(conn)?;
    assert_eq!((number, text), (caller, format!("{caller} by pipeline")));

    let (doubled, number): (usize, usize) = pipe().atomic().incr(&key, caller).get(&key).query(conn)?;
    assert_eq!((doubled, number), (2 * caller, 2 * caller));

    let script = Script::new("return redis.call('incrby', KEYS[1], ARGV[1])");
    assert_eq!(script.key(&key).arg(1).invoke::<usize>(conn)?, 2 * caller + 1);

    let set = format!("shared:{caller}:set");
    let members: Vec<usize> = (0..1000).collect();
    () = conn.sadd(&set, &members)?;
    let mut scanned = conn.sscan::<_, usize>(&set)?.collect::<RedisResult<Vec<_>>>()?;
    // The server may give one twice.
    scanned.sort_unstable();
    scanned.dedup();
    assert_eq!(scanned, members);

    conn.incr("shared", 1)
}

#[test]
fn fifty_fibers_share_a_connection() {
    on_one_thread(async {
        let Some(client) = client() else { return };
        let layer = FiberLayer::new();
        let conn = run_in_fiber(move || FiberConnection::open_unlimited(&client)).await.unwrap();
        let callers = join_all((0..CALLERS).map(|caller| {
            let mut conn = conn.clone();
            layer.run(move || use_connection(&mut conn, caller))
        }));
        let mut steps: Vec<_> = callers.await.into_iter().map(Result::unwrap).collect();
        steps.sort_unstable();
        assert_eq!(steps, (1..=CALLERS).collect::<Vec<_>>());
    });
}

#[test]
fn fifty_fibers_watch_a_key_on_connections_of_their_own() {
    on_one_thread(async {
        let Some(client) = client() else { return };
        let layer = FiberLayer::new();
        let callers = join_all((0..CALLERS).map(|_| {
            let client = client.clone();
            layer.run(move || {
                let conn = &mut FiberConnection::open_unlimited(&client)?;
                redis::transaction(conn, &["watched"], |conn, pipe| {
                    let seen: Option<usize> = conn.get("watched")?;
                    pipe.set("watched", seen.unwrap_or(0) + 1).query::<Option<()>>(conn)
                })
            })
        }));
        let done: Result<Vec<_>, _> = callers.await.into_iter().collect();
        done.unwrap();
        let count = run_in_fiber(move || FiberConnection::open_unlimited(&client)?.get::<_, usize>("watched"));
        assert_eq!(count.await.unwrap(), CALLERS);
    });
}
