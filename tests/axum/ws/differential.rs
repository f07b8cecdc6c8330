//! An echo of a synchronous function and one of axum's own get the same bytes from a client, in the same pieces: they
//! send the same bytes, and their connections end in the same way. Only a broken frame is answered otherwise: axum's
//! loop drops the connection, and the function's client is told by a close frame first.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing,
};
use futures_util::future::join_all;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{RngSeed, TestError, TestRunner},
};
use tokio::{net::TcpListener, runtime::Runtime, task::yield_now};
use tower_fiber::{
    FiberLayer, Placement,
    axum::{SyncWebSocket, WebSocketUpgradeExt as _},
};

use crate::ws::raw::{End, FIN, RawClient, masked, unmasked};

/// What the servers take of one message.
const LONGEST: usize = 300;

/// What a client sends, and what is right for it to do so.
#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Binary(Vec<u8>),
    /// A text in as many frames as there are parts, perhaps with a ping in front of each but the first.
    Fragmented(Vec<String>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Last {
    Close(Option<(u16, String)>),
    /// The end of the stream, perhaps after some bytes of a frame.
    HalfClose(usize),
    /// Frames that break the protocol or the limits, and the code that says so.
    Broken(Vec<u8>, u16),
}

#[derive(Clone, Debug)]
struct Script {
    parts: Vec<Part>,
    last: Last,
    /// What comes after the last in the same piece, and the end of the stream.
    rest: Vec<Part>,
    is_half_closed: bool,
    /// Whether the first piece comes with the handshake.
    is_early: bool,
    /// Where a new piece begins, in bytes modulo the length of what comes before the last.
    cuts: Vec<usize>,
}

impl Part {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => bytes.extend(masked(FIN | 1, text.as_bytes())),
            Self::Binary(data) => bytes.extend(masked(FIN | 2, data)),
            Self::Ping(data) => bytes.extend(masked(FIN | 9, data)),
            Self::Pong(data) => bytes.extend(masked(FIN | 10, data)),
            Self::Fragmented(texts, pings) => {
                for (n, text) in texts.iter().enumerate() {
                    if n > 0 && *pings {
                        bytes.extend(masked(FIN | 9, b"between"));
                    }
                    let fin = if n + 1 == texts.len() { FIN } else { 0 };
                    bytes.extend(masked(fin | u8::from(n == 0), text.as_bytes()));
                }
            }
        }
    }
}

impl Last {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Close(None) => bytes.extend(masked(FIN | 8, b"")),
            Self::Close(Some((code, reason))) => {
                bytes.extend(masked(FIN | 8, &[&code.to_be_bytes(), reason.as_bytes()].concat()));
            }
            Self::HalfClose(some) => bytes.extend(&masked(FIN | 1, b"never whole")[..*some]),
            Self::Broken(frames, _) => bytes.extend(frames),
        }
    }
}

impl Script {
    /// The pieces in which it is sent. The last frame and what follows come in one, so that the server has read all
    /// when it closes the connection: otherwise the system resets it, at a time of its own.
    fn pieces(&self) -> Vec<Vec<u8>> {
        let write = |parts: &[Part], bytes: &mut Vec<u8>| parts.iter().for_each(|part| part.write(bytes));
        let mut before = Vec::new();
        write(&self.parts, &mut before);
        let mut cuts: Vec<_> = self.cuts.iter().map(|cut| cut % (before.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        for cut in cuts.into_iter().rev() {
            pieces.push(before.split_off(cut));
        }
        pieces.push(before);
        pieces.reverse();
        let last = pieces.last_mut().expect("the piece before the first cut");
        self.last.write(last);
        write(&self.rest, last);
        pieces
    }

    async fn play(&self, address: SocketAddr, path: &str) -> (Vec<u8>, End) {
        let pieces = self.pieces();
        let early = usize::from(self.is_early && pieces.len() > 1);
        let mut client = RawClient::open(address, path, &pieces[..early].concat()).await;
        for piece in &pieces[early..] {
            // A server that has ended the connection refuses the rest.
            if client.send(piece).await.is_err() {
                break;
            }
            for _ in 0..20 {
                yield_now().await;
            }
        }
        if self.is_half_closed || matches!(self.last, Last::HalfClose(_)) {
            _ = client.half_close().await;
        }
        client.rest().await
    }
}

fn any_part() -> impl Strategy<Value = Part> {
    let length = prop_oneof![0..20_usize, Just(125), Just(126), Just(LONGEST)];
    let data = length.prop_flat_map(|length| vec(any::<u8>(), length));
    let control = || prop_oneof![0..10_usize, Just(125)].prop_flat_map(|length| vec(any::<u8>(), length));
    prop_oneof![
        3 => "[a-zä€]{0,40}".prop_map(Part::Text),
        2 => data.prop_map(Part::Binary),
        2 => (vec("[a-zä€]{0,9}", 1..5), any::<bool>()).prop_map(|(texts, pings)| Part::Fragmented(texts, pings)),
        2 => control().prop_map(Part::Ping),
        1 => control().prop_map(Part::Pong),
    ]
}

fn any_broken() -> impl Strategy<Value = Last> {
    let fragment = masked(1, b"begun");
    let huge = [0x82, 0xFF, 0, 0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0];
    select(vec![
        (masked(FIN | 3, b""), 1002),
        (masked(FIN | 11, b""), 1002),
        (masked(FIN | 0x40 | 1, b"a"), 1002),
        (unmasked(FIN | 1, b"no mask"), 1002),
        (masked(FIN, b"continues nothing"), 1002),
        ([&fragment[..], &masked(FIN | 1, b"another")].concat(), 1002),
        (masked(9, b"a ping in parts"), 1002),
        (masked(FIN | 9, &[0; 126]), 1002),
        (masked(FIN | 8, &[3]), 1002),
        (masked(FIN | 8, &[3, 0xE8, 0xFF]), 1007),
        (masked(FIN | 1, b"\xFF\xFF"), 1007),
        ([&fragment[..], &masked(FIN, b"\xC3")].concat(), 1007),
        (masked(FIN | 2, &[0; LONGEST + 1]), 1009),
        ([&fragment[..], &masked(FIN, &[b'x'; LONGEST])].concat(), 1009),
        (huge.to_vec(), 1009),
    ])
    .prop_map(|(frames, code)| Last::Broken(frames, code))
}

fn any_script() -> impl Strategy<Value = Script> {
    let code = select(vec![1000, 1001, 1003, 1008, 1011, 3000, 4999, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000]);
    let close = prop::option::of((code, "[a-zä]{0,20}")).prop_map(Last::Close);
    let half = (0..17_usize).prop_map(Last::HalfClose);
    let last = prop_oneof![3 => close, 2 => half, 2 => any_broken()];
    let rest = prop_oneof![3 => Just(Vec::new()), 1 => vec(any_part(), 1..3)];
    let cuts = prop_oneof![2 => Just(Vec::new()), 3 => vec(any::<usize>(), 1..8)];
    (vec(any_part(), 0..8), last, rest, any::<bool>(), any::<bool>(), cuts).prop_map(
        |(parts, last, rest, is_half_closed, is_early, cuts)| {
            let rest = if matches!(last, Last::HalfClose(_)) { Vec::new() } else { rest };
            Script { parts, last, rest, is_half_closed, is_early, cuts }
        },
    )
}

/// Echoes of data by a loop of axum's own, and by a function in place and on the pool.
async fn serve() -> SocketAddr {
    async fn own(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
                return;
            }
        }
    }

    fn function(mut socket: SyncWebSocket) {
        while let Some(message) = socket.recv() {
            if socket.send(message).is_err() {
                return;
            }
        }
    }

    let limited = |ws: WebSocketUpgrade| ws.max_message_size(LONGEST).max_frame_size(LONGEST);
    let pooled = FiberLayer::builder().placement(Placement::SharedPool).build().unwrap();
    let app = Router::new()
        .route("/own", routing::any(async move |ws| limited(ws).on_upgrade(own)))
        .route("/function", routing::any(async move |ws| limited(ws).on_upgrade_fiber(function)))
        .route("/pooled", routing::any(async move |ws| limited(ws).on_upgrade_fiber_with(&pooled, function)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

async fn compare(script: &Script, address: SocketAddr) -> Result<(), TestCaseError> {
    let mut outcomes = join_all(["/own", "/function", "/pooled"].map(|path| script.play(address, path))).await;
    let (mut expected, end) = outcomes.remove(0);
    prop_assert_ne!(&end, &End::Open);
    if let Last::Broken(_, code) = script.last {
        expected.extend(unmasked(FIN | 8, &code.to_be_bytes()));
    }
    for (answers, its_end) in outcomes {
        prop_assert_eq!(answers.escape_ascii().to_string(), expected.escape_ascii().to_string());
        prop_assert_eq!(&its_end, &end);
    }
    Ok(())
}

fn run(runtime: &Runtime) {
    let default = ProptestConfig::default();
    let config = ProptestConfig {
        cases: default.cases.min(300),
        failure_persistence: None,
        rng_seed: if default.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { default.rng_seed },
        ..default
    };
    let address = runtime.block_on(serve());
    let outcome = TestRunner::new(config).run(&any_script(), |script| runtime.block_on(compare(&script, address)));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, script)) => panic!("{reason}\n{script:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

#[test]
fn on_a_current_thread_runtime() {
    run(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

#[test]
fn on_a_multi_thread_runtime() {
    run(&tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
}
