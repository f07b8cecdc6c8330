//! `serve` on cores that share a layer, and its end.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::mpsc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    routing::{get, post},
};
use tokio::runtime::Builder;
use tower_fiber::{
    FiberLayer, OnDrop, Shutdown, ShutdownReport, Stopped,
    axum::{fiber_with, serve},
    try_await_in_fiber,
};

use crate::harness::{ANY_PORT, LIMIT, background, connect, each_way, shutdown};

/// How long a core that serves no more may take to close the layer, if it does so too early.
const EARLY: Duration = Duration::from_millis(200);

/// The body of the request arrives when the other core has nothing to do any more; only then its call begins.
#[test]
fn an_idle_core_fails_no_request_of_another() {
    each_way(|builder| {
        let layer = FiberLayer::new();
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let (entered, enters) = mpsc::channel();
        let of_server = layer.clone();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                let entered = entered.clone();
                let note = from_fn(move |request: Request, next: Next| {
                    entered.send(()).unwrap();
                    next.run(request)
                });
                let app = Router::new().route("/", post(fiber_with(&of_server, |body: String| body))).layer(note);
                serve(listener, app).layer(&of_server).grace(LIMIT).on_core(&core)
            })
        });
        let mut client = connect(address).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nha").unwrap();
        enters.recv_timeout(LIMIT).unwrap();
        drop(stop);
        while TcpStream::connect(address).is_ok() {}
        let closed = Instant::now();
        let runtime = Builder::new_current_thread().build().unwrap();
        while closed.elapsed() < EARLY {
            // It would panic.
            runtime.block_on(layer.run(|| ()));
        }
        client.write_all(b"lf").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("half"), "{answer}");
        assert_eq!(server.end().unwrap(), [ShutdownReport::default(); 2]);
    });
}

#[test]
fn a_call_that_does_not_end_is_cancelled_and_reported_once() {
    each_way(|builder| {
        let layer = FiberLayer::builder().on_drop(OnDrop::Cancel).build().unwrap();
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let (entered, enters) = mpsc::channel();
        let of_server = layer.clone();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                let entered = entered.clone();
                let stuck = move || {
                    entered.send(()).unwrap();
                    _ = try_await_in_fiber(std::future::pending::<()>());
                };
                let app: Router = Router::new().route("/", get(fiber_with(&of_server, stuck)));
                serve(listener, app).layer(&of_server).grace(Duration::from_millis(50)).on_core(&core)
            })
        });
        let mut client = connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        enters.recv_timeout(LIMIT).unwrap();
        drop(stop);
        let reports = server.end().unwrap();
        let sum = |number: fn(&ShutdownReport) -> u64| reports.iter().map(number).sum::<u64>();
        assert_eq!((sum(|report| report.connections), sum(|report| report.requests)), (1, 1), "{reports:?}");
        assert_eq!(sum(|report| report.left), 0, "{reports:?}");
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.cancelled, counters.leaked), (0, 1, 0));
    });
}

/// A core whose closure has ended serves no more, whether or not it says so.
#[test]
fn all_have_served() {
    each_way(|builder| {
        let server = builder.cores(3).bind(ANY_PORT).unwrap();
        let ended = server.run(async {}, |core, _listener| async move {
            match core.index() {
                0 => core.shutdown().await,
                1 => {
                    let shutdown = Shutdown::new().on_core(&core).grace(LIMIT);
                    let server = async |stop: Stopped| {
                        stop.await;
                        Ok::<_, io::Error>(())
                    };
                    assert!(!shutdown.run(server).await?.is_cut);
                }
                _ => {
                    core.all_served().await;
                    core.all_served().await;
                }
            }
            Ok::<_, io::Error>(())
        });
        ended.unwrap();
    });
}
