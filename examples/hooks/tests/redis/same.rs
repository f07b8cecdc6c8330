//! What comes back is what redis' asynchronous side gives.

use hooks::redis::FiberConnection;
use redis::{Cmd, Commands as _, ConnectionLike as _, Pipeline, RedisResult, Value, cmd, pipe};
use tower_fiber::{WaitExt as _, run_in_fiber};

use super::client;

fn commands() -> Vec<Cmd> {
    let mut commands = vec![cmd("PING"), cmd("ECHO"), cmd("NOSUCH")];
    for (name, words) in [
        ("SET", &["same:text", "text"][..]),
        ("GET", &["same:text"]),
        ("GET", &["same:nothing"]),
        ("LPUSH", &["same:text", "word"]),
        ("HSET", &["same:map", "a", "1", "b", ""]),
        ("HGETALL", &["same:map"]),
    ] {
        commands.push(cmd(name).arg(words).take());
    }
    commands
}

/// Those that go through, those that fail when they are carried out, and those that are refused at once.
fn pipelines() -> Vec<Pipeline> {
    let good = pipe().set("same:text", 1).ignore().incr("same:text", 2).get("same:text").clone();
    let failing = pipe().set("same:text", "a").incr("same:text", 1).get("same:text").clone();
    let refused = pipe().set("same:text", "b").cmd("NOSUCH").cmd("GET").get("same:text").clone();
    let mut all = vec![pipe().cmd("PING").clone()];
    for pipeline in [good, failing, refused] {
        all.push(pipeline.clone().ignore_errors().clone());
        all.push(pipeline.clone().atomic().clone());
        all.push(pipeline.clone().atomic().ignore_errors().clone());
        all.push(pipeline);
    }
    all
}

/// Errors have no equality that looks at all of them.
fn text(outcome: RedisResult<Value>) -> String {
    format!("{outcome:?}")
}

#[tokio::test]
async fn each_answer_is_the_same() {
    let Some(client) = client() else { return };
    let compared = run_in_fiber(move || {
        let mut conn = FiberConnection::open_unlimited(&client).unwrap();
        let mut native = conn.get_ref().clone();
        for cmd in commands() {
            () = conn.del(&["same:text", "same:map"]).unwrap();
            let expected = text(cmd.query_async(&mut native).wait());
            () = conn.del(&["same:text", "same:map"]).unwrap();
            assert_eq!(text(cmd.query(&mut conn)), expected, "{cmd:?}");
            // What redis' iterators call.
            () = conn.del(&["same:text", "same:map"]).unwrap();
            let answer = conn.req_packed_command(&cmd.get_packed_command());
            assert_eq!(text(answer.and_then(Value::extract_error)), expected, "{cmd:?}");
        }
        let pipelines = pipelines();
        for pipeline in &pipelines {
            let expected = text(pipeline.query_async(&mut native).wait());
            assert_eq!(text(pipeline.query(&mut conn)), expected, "{pipeline:?}");
        }
        pipelines.len()
    });
    assert_eq!(compared.await, 13);
}

#[tokio::test]
async fn a_database_is_chosen_by_the_url() {
    let Some(client) = client() else { return };
    let info = client.get_connection_info().clone();
    let redis = info.redis_settings().clone().set_db(3);
    let third = redis::Client::open(info.set_redis_settings(redis)).unwrap();
    let there = run_in_fiber(move || {
        let mut conn = FiberConnection::open_unlimited(&third).unwrap();
        () = conn.set("database", 3).unwrap();
        let mut first = FiberConnection::open_unlimited(&client).unwrap();
        assert_eq!((first.get_db(), conn.get_db()), (0, 3));
        assert!(conn.supports_pipelining() && conn.check_connection());
        (first.exists::<_, bool>("database").unwrap(), conn.exists::<_, bool>("database").unwrap())
    });
    assert_eq!(there.await, (false, true));
}
