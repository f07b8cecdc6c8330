//! The room, through its server.

mod harness;

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use harness::{Server, on_each_runtime, said};

fn joined(name: &str) -> Value {
    json!({ "event": "joined", "name": name })
}

fn left(name: &str) -> Value {
    json!({ "event": "left", "name": name })
}

#[test]
fn members_hear_each_other_and_themselves() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let (mut ada, welcome) = server.join("Ada").await;
        assert_eq!(welcome, json!({ "event": "welcome", "members": ["Ada"], "history": [] }));
        let (mut alan, welcome) = server.join("Alan").await;
        assert_eq!(welcome["members"], json!(["Ada", "Alan"]));
        assert_eq!(ada.hear().await, joined("Alan"));
        ada.say(" hello ").await;
        alan.say("good <b>day</b>").await;
        for member in [&mut ada, &mut alan] {
            let mut both = [member.hear().await, member.hear().await];
            both.sort_by_key(|event| event["name"].to_string());
            assert_eq!(both, [said("Ada", "hello"), said("Alan", "good <b>day</b>")]);
        }
        alan.0.close(None).await.unwrap();
        assert_eq!(ada.hear().await, left("Alan"));
        // One that just goes has gone as well.
        let (grace, _) = server.join("Grace").await;
        assert_eq!(ada.hear().await, joined("Grace"));
        drop(grace);
        assert_eq!(ada.hear().await, left("Grace"));
        assert_eq!(server.room.members(), ["Ada"]);
    });
}

#[test]
fn a_newcomer_is_told_what_was_said_last() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let (mut ada, _) = server.join("Ada").await;
        for n in 0..60 {
            ada.say(&n.to_string()).await;
            assert_eq!(ada.hear().await, said("Ada", &n.to_string()));
        }
        let (_, welcome) = server.join("Alan").await;
        let history: Vec<Value> = (10..60).map(|n| json!({ "name": "Ada", "text": n.to_string() })).collect();
        assert_eq!(welcome["history"], Value::Array(history));
    });
}

#[test]
fn names_that_cannot_be_had_are_refused() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let (_ada, _) = server.join("Ada").await;
        for name in ["", "%20%20", "a%07b", "a%E2%80%AEb", "a%E2%81%A6b", "Ada%E2%80%8B", "a%D8%9Cb", &"x".repeat(25)] {
            let (code, reason) = server.connect(name).await.closed().await;
            assert_eq!(code, 4001);
            assert!(reason.contains("1 to 24"), "{reason}");
        }
        let (code, reason) = server.connect("%20Ada").await.closed().await;
        assert_eq!(code, 4001);
        assert!(reason.contains("is here"), "{reason}");
        // 24 characters are not 24 bytes.
        let (_, welcome) = server.join(&"%C3%A9".repeat(24)).await;
        assert_eq!(welcome["members"], json!(["Ada", "é".repeat(24)]));
    });
}

#[test]
fn what_cannot_be_said_is_refused() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let (mut ada, _) = server.join("Ada").await;
        ada.say("   ").await;
        assert_eq!(ada.hear().await["event"], "refused");
        ada.say(&"é".repeat(1001)).await;
        let refused = ada.hear().await;
        assert!(refused["reason"].as_str().unwrap().contains("1000"), "{refused}");
        ada.say(&"é".repeat(1000)).await;
        assert_eq!(ada.hear().await, said("Ada", &"é".repeat(1000)));
        ada.0.send(Message::binary(vec![1])).await.unwrap();
        assert_eq!(ada.closed().await.0, 1003);
        let (mut alan, _) = server.join("Alan").await;
        alan.say(&"x".repeat(20_000)).await;
        assert_eq!(alan.closed().await.0, 1009);
    });
}

#[test]
fn a_member_that_reads_too_slowly_is_sent_away_and_told_why() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let (mut ada, _) = server.join("Ada").await;
        let (mut slow, _) = server.join("Slow").await;
        assert_eq!(ada.hear().await, joined("Slow"));
        let text = "é".repeat(1000);
        let mut count = 0;
        // The buffers of the system take some megabytes.
        loop {
            ada.say(&text).await;
            let first = ada.hear().await;
            if first == left("Slow") {
                break;
            }
            assert_eq!(first, said("Ada", &text));
            count += 1;
            assert!(count < 50_000);
            if server.room.members() == ["Ada"] {
                assert_eq!(ada.hear().await, left("Slow"));
                break;
            }
        }
        let (code, reason) = slow.closed().await;
        assert_eq!((code, &*reason), (1013, "you read too slowly"));
        // It can come back.
        drop(slow);
        assert_eq!(server.join("Slow").await.1["members"], json!(["Ada", "Slow"]));
    });
}

#[test]
fn a_hundred_members_are_here_at_once() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let mut members = Vec::new();
        for n in 0..100 {
            let (member, welcome) = server.join(&format!("m{n}")).await;
            assert_eq!(welcome["members"].as_array().unwrap().len(), n + 1);
            for other in &mut members {
                let other: &mut harness::Client = other;
                assert_eq!(other.hear().await, joined(&format!("m{n}")));
            }
            members.push(member);
        }
        members[7].say("hello").await;
        for member in &mut members {
            assert_eq!(member.hear().await, said("m7", "hello"));
        }
        assert_eq!(server.layer.handle().live(), 100);
    });
}

#[test]
fn at_the_end_members_are_sent_away() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let (mut ada, _) = server.join("Ada").await;
        server.stop.notify_one();
        assert_eq!(ada.closed().await, (1001, "the server stops".to_owned()));
        server.layer.handle().drained().await;
        assert_eq!(server.layer.handle().counters(), Default::default());
    });
}

#[test]
fn the_page_is_served() {
    on_each_runtime(|| async {
        let server = Server::start().await;
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("text/html"), "{page}");
        // Nothing from elsewhere.
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    });
}
