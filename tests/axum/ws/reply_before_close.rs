//! Messages that are followed at once by a close, or by the end of the client's stream: they are answered first, as by
//! a loop of axum's own.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::any,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpListener,
    sync::{mpsc, watch},
    task::yield_now,
};
use tokio_tungstenite::tungstenite;
use tower_fiber::{
    FiberLayer, OnDrop, Placement, WaitExt as _,
    axum::{SyncWebSocket, WebSocketUpgradeExt as _},
};

use crate::ws::{
    harness::{Server, close, on_each_runtime, with_ticking_time},
    raw::{End, RawClient},
};

/// Frames as a client sends them, with a mask of zeros.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";
const PING: &[u8] = b"\x89\x81\0\0\0\0?";
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
/// `HI` in two frames.
const H_I: &[u8] = b"\x01\x81\0\0\0\0h\x80\x81\0\0\0\0i";
const BROKEN: &[u8] = b"\x83\x80\0\0\0\0";

const ANSWER: &[u8] = b"\x81\x02hi";
const PONG: &[u8] = b"\x8a\x01?";
const CLOSED: &[u8] = b"\x88\x02\x03\xe8";

/// All that the server sends to a client that sends `frames` in one piece, and perhaps no more.
async fn answers(app: Router, frames: &[u8], is_half_closed: bool) -> Vec<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async { axum::serve(listener, app).await });
    let mut client = RawClient::open(address, "/", &[]).await;
    client.send(frames).await.unwrap();
    if is_half_closed {
        client.half_close().await.unwrap();
    }
    let (answers, end) = client.rest().await;
    assert_eq!(end, End::Eof);
    server.abort();
    answers
}

fn app(upgrade: impl Fn(WebSocketUpgrade) -> axum::response::Response + Clone + Send + Sync + 'static) -> Router {
    Router::new().route("/", any(move |ws| async move { upgrade(ws) }))
}

/// Loops of axum's own and of a plain function, which answer each message after a while and so many times.
fn loops(policy: OnDrop, times: usize) -> [Router; 3] {
    let own = move |mut socket: WebSocket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if !matches!(message, Message::Text(_)) {
                continue;
            }
            for _ in 0..times {
                yield_now().await;
                if socket.send(message.clone()).await.is_err() {
                    return;
                }
            }
        }
    };
    let plain = move |mut socket: SyncWebSocket| {
        while let Some(message) = socket.recv() {
            for _ in 0..times {
                (0..5).for_each(|_| yield_now().wait());
                if socket.send(message.clone()).is_err() {
                    return;
                }
            }
        }
    };
    let builder = FiberLayer::builder().on_drop(policy);
    let [in_place, pooled] =
        [builder.clone(), builder.placement(Placement::SharedPool)].map(|builder| Arc::new(builder.build().unwrap()));
    [
        app(move |ws| ws.on_upgrade(own)),
        app(move |ws| ws.on_upgrade_fiber_with(&in_place, plain)),
        app(move |ws| ws.on_upgrade_fiber_with(&pooled, plain)),
    ]
}

async fn are_answered(policy: OnDrop, times: usize, frames: &[&[u8]], is_half_closed: bool, expected: &[&[u8]]) {
    for app in loops(policy, times) {
        let answers = answers(app, &frames.concat(), is_half_closed).await;
        assert_eq!(answers.escape_ascii().to_string(), expected.concat().escape_ascii().to_string());
    }
}

#[test]
fn messages_before_a_close() {
    on_each_runtime(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            are_answered(policy, 1, &[HI, CLOSE], false, &[ANSWER, CLOSED]).await;
            are_answered(policy, 1, &[HI, CLOSE], true, &[ANSWER, CLOSED]).await;
            are_answered(policy, 1, &[H_I, CLOSE], false, &[ANSWER, CLOSED]).await;
            are_answered(policy, 1, &[HI, HI, HI, CLOSE], false, &[ANSWER, ANSWER, ANSWER, CLOSED]).await;
        }
    });
}

#[test]
fn messages_before_the_end_of_the_stream() {
    on_each_runtime(|| async {
        are_answered(OnDrop::Finish, 1, &[HI], true, &[ANSWER]).await;
        are_answered(OnDrop::Finish, 1, &[HI, HI], true, &[ANSWER, ANSWER]).await;
        // The last one is half a message.
        are_answered(OnDrop::Finish, 1, &[HI, &HI[..4]], true, &[ANSWER]).await;
    });
}

#[test]
fn pings_among_them() {
    on_each_runtime(|| async {
        are_answered(OnDrop::Finish, 1, &[PING, CLOSE], false, &[PONG, CLOSED]).await;
        are_answered(OnDrop::Finish, 1, &[PING], true, &[PONG]).await;
        are_answered(OnDrop::Finish, 1, &[HI, PING, CLOSE], false, &[ANSWER, PONG, CLOSED]).await;
        are_answered(OnDrop::Finish, 1, &[PING, HI, PING, HI, CLOSE], false, &[PONG, ANSWER, PONG, ANSWER, CLOSED])
            .await;
    });
}

/// More than there is room for among what is to go.
#[test]
fn many_answers_to_one_message() {
    on_each_runtime(|| async {
        are_answered(OnDrop::Finish, 200, &[HI, CLOSE], false, &[&ANSWER.repeat(200), CLOSED]).await;
    });
}

#[test]
fn a_client_that_breaks_the_protocol_after_a_message() {
    on_each_runtime(|| async {
        let [_, in_place, pooled] = loops(OnDrop::Finish, 1);
        for app in [in_place, pooled] {
            let answers = answers(app, &[HI, BROKEN].concat(), false).await;
            assert_eq!(answers, [ANSWER, b"\x88\x02\x03\xea"].concat());
        }
    });
}

#[test]
fn a_function_that_returns_after_its_answer() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let app = app(move |ws| {
            ws.on_upgrade_fiber_with(&layer, |mut socket| {
                let message = socket.recv().unwrap();
                yield_now().wait();
                socket.send(message).unwrap();
            })
        });
        assert_eq!(answers(app.clone(), &[HI, CLOSE].concat(), false).await, [ANSWER, CLOSED].concat());
        // The end of the stream may be read before the function has returned, and then nothing can be sent.
        assert!(answers(app, HI, true).await.starts_with(ANSWER));
    });
}

/// By a sender that is elsewhere, while the function works.
#[test]
fn what_others_send_meanwhile() {
    on_each_runtime(|| async {
        let (go_on, going) = watch::channel(false);
        let (give, mut senders) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            give.send(socket.sender()).unwrap();
            while let Some(message) = socket.recv() {
                give.send(socket.sender()).unwrap();
                going.clone().wait_for(|going| *going).wait().unwrap();
                socket.send(message).unwrap();
            }
        })
        .await;
        let mut client = server.client().await;
        let sender = senders.recv().await.unwrap();
        client.0.get_mut().write_all(&[HI, CLOSE].concat()).await.unwrap();
        senders.recv().await.unwrap();
        sender.try_send("from a task").unwrap();
        assert_eq!(client.text().await, "from a task");
        go_on.send(true).unwrap();
        assert_eq!(client.rest().await, (vec!["hi".to_owned()], Some(close(1000, ""))));
        server.drained().await;
    });
}

/// Reading waits for five seconds: a function that works for longer is told of the close.
#[test]
fn a_function_that_takes_too_long() {
    with_ticking_time(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            while let Some(message) = socket.recv() {
                let seconds = message.to_text().unwrap().parse().unwrap();
                tokio::time::sleep(Duration::from_secs(seconds)).wait();
                report.send(socket.send(message).is_ok()).unwrap();
            }
        })
        .await;
        for (seconds, is_answered) in [(1, true), (4, true), (6, false)] {
            let mut client = server.client().await;
            client.0.get_mut().write_all(&message_and(seconds, CLOSE)).await.unwrap();
            let answers = if is_answered { vec![seconds.to_string()] } else { vec![] };
            assert_eq!(client.rest().await, (answers, Some(close(1000, ""))));
            assert_eq!(reports.recv().await, Some(is_answered));
        }
        server.drained().await;
    });
}

/// So are pings answered, and many messages one after the other have five seconds each.
#[test]
fn pings_while_a_function_takes_long() {
    with_ticking_time(|| async {
        let server = Server::of(|mut socket| {
            while let Some(message) = socket.recv() {
                let seconds = message.to_text().unwrap().parse().unwrap();
                tokio::time::sleep(Duration::from_secs(seconds)).wait();
                socket.send(message).unwrap();
            }
        })
        .await;
        let mut client = server.client().await;
        client.0.get_mut().write_all(&message_and(60, PING)).await.unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(client.next().await, tungstenite::Message::Pong("?".into()));
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert_eq!(client.text().await, "60");
        for seconds in ["4", "4", "4"] {
            client.send(seconds).await;
        }
        client.0.get_mut().write_all(CLOSE).await.unwrap();
        assert_eq!(client.rest().await, (vec!["4".to_owned(); 3], Some(close(1000, ""))));
        server.drained().await;
    });
}

/// A text of one or two digits, and another frame, in one piece.
fn message_and(seconds: u32, frame: &[u8]) -> Vec<u8> {
    let text = seconds.to_string();
    let head = [0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    [&head, text.as_bytes(), frame].concat()
}
