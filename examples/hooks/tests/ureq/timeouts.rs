//! Each of ureq's time-outs ends a call with its own error.

use std::{
    io::{self, Read},
    net::SocketAddr,
    time::Duration,
};

use axum::Router;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    sync::oneshot,
    time::sleep,
};
use tower_fiber::run_in_fiber;
use ureq::{Error, SendBody, Timeout, config::ConfigBuilder, typestate::AgentScope};

use crate::{config, head, run, serve, serve_by_hand, text};

const SHORT: Option<Duration> = Some(Duration::from_millis(100));

const LONG: Option<Duration> = Some(Duration::from_secs(3600));

/// A server that reads the head of a request, says `answer`, and waits until the client has gone.
async fn silent_after(answer: &'static str) -> SocketAddr {
    serve_by_hand(move |mut stream| async move {
        head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        until_gone(&mut stream).await;
    })
    .await
}

async fn until_gone(stream: &mut TcpStream) {
    while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
}

/// A server that sends a body without an end, a byte every 10 ms.
async fn dripping() -> SocketAddr {
    serve_by_hand(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// A server that reads the head of a request, and no more of it.
async fn deaf() -> SocketAddr {
    serve_by_hand(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        std::future::pending().await
    })
    .await
}

/// Which time-out ends a call.
async fn ended_by(config: ConfigBuilder<AgentScope>, server: SocketAddr) -> Timeout {
    let agent = hooks::ureq::agent(config.build());
    which(run_in_fiber(move || text(&agent, &format!("http://{server}/")).unwrap_err()).await)
}

async fn upload_ended_by(config: ConfigBuilder<AgentScope>, server: SocketAddr) -> Timeout {
    let agent = hooks::ureq::agent(config.build());
    let call =
        move || agent.post(format!("http://{server}/")).send(SendBody::from_owned_reader(io::repeat(1))).unwrap_err();
    which(run_in_fiber(call).await)
}

fn which(error: Error) -> Timeout {
    match error {
        Error::Timeout(timeout) => timeout,
        error => panic!("no time-out, but {error:?}"),
    }
}

#[test]
fn before_the_response() {
    run(async {
        let server = silent_after("").await;
        assert_eq!(ended_by(config().timeout_recv_response(SHORT), server).await, Timeout::RecvResponse);
        assert_eq!(ended_by(config().timeout_per_call(SHORT), server).await, Timeout::PerCall);
        assert_eq!(ended_by(config().timeout_per_read(SHORT), server).await, Timeout::PerRead);
        let all = config().timeout_global(SHORT).timeout_recv_response(LONG).timeout_per_read(LONG);
        assert_eq!(ended_by(all, server).await, Timeout::Global);
    });
}

#[test]
fn in_the_body() {
    run(async {
        let server = silent_after("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
        assert_eq!(ended_by(config().timeout_recv_body(SHORT), server).await, Timeout::RecvBody);
        assert_eq!(ended_by(config().timeout_per_read(SHORT), server).await, Timeout::PerRead);
        assert_eq!(ended_by(config().timeout_global(SHORT), server).await, Timeout::Global);
    });
}

/// The limit of the body does not begin anew with each byte.
#[test]
fn in_a_body_that_comes_slowly() {
    run(async {
        let server = dripping().await;
        let config = config().timeout_per_read(Some(Duration::from_secs(5))).timeout_recv_body(SHORT);
        assert_eq!(ended_by(config, server).await, Timeout::RecvBody);
    });
}

#[test]
fn in_an_upload() {
    run(async {
        let server = deaf().await;
        assert_eq!(upload_ended_by(config().timeout_send_body(SHORT), server).await, Timeout::SendBody);
        assert_eq!(upload_ended_by(config().timeout_per_write(SHORT), server).await, Timeout::PerWrite);
        assert_eq!(upload_ended_by(config().timeout_global(SHORT), server).await, Timeout::Global);
    });
}

/// The limit of a write begins anew whenever some of it is taken, that of the body does not.
#[test]
fn in_an_upload_that_is_taken_slowly() {
    run(async {
        let server = serve_by_hand(|mut stream| async move {
            let mut taken = [0; 4 << 10];
            while stream.read(&mut taken).await.is_ok_and(|read| read > 0) {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let (per_write, all) = (Duration::from_millis(1500), Duration::from_secs(2));
        // One write, of more than the system keeps. The rest is taken in no less than five seconds.
        let size = 32 << 20;
        let config = config().output_buffer_size(size).timeout_per_write(Some(per_write)).timeout_send_body(Some(all));
        let agent = hooks::ureq::agent(config.build());
        let call = move || agent.post(format!("http://{server}/")).send(vec![0; size]).unwrap_err();
        assert_eq!(which(run_in_fiber(call).await), Timeout::SendBody);
    });
}

/// ureq sends the body if the server says nothing to its question for so long.
#[test]
fn that_of_100_continue_is_no_error() {
    run(async {
        let server = serve_by_hand(|mut stream| async move {
            head(&mut stream).await;
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.unwrap();
            assert_eq!(body, *b"late");
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        })
        .await;
        let agent = hooks::ureq::agent(config().timeout_await_100(SHORT).build());
        let call = move || {
            let request = agent.post(format!("http://{server}/")).header("expect", "100-continue");
            request.send("late").unwrap().body_mut().read_to_string().unwrap()
        };
        assert_eq!(run_in_fiber(call).await, "ok");
    });
}

#[test]
fn in_a_handshake() {
    run(async {
        let server = serve_by_hand(|mut stream| async move { until_gone(&mut stream).await }).await;
        let agent = hooks::ureq::agent(config().timeout_connect(SHORT).build());
        let error = run_in_fiber(move || text(&agent, &format!("https://{server}/")).unwrap_err()).await;
        assert_eq!(which(error), Timeout::Connect);
    });
}

/// The resolver has one thread here, and it is busy.
#[test]
fn while_the_name_is_resolved() {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (free, busy) = oneshot::channel::<()>();
        let thread = tokio::task::spawn_blocking(move || busy.blocking_recv());
        let agent = hooks::ureq::agent(config().timeout_resolve(SHORT).build());
        let error = run_in_fiber(move || text(&agent, "http://localhost:1/").unwrap_err()).await;
        assert_eq!(which(error), Timeout::Resolve);
        free.send(()).unwrap();
        thread.await.unwrap().unwrap();
    });
}

/// A connection whose call was given up is not used again, and one with time to spare is.
#[test]
fn a_call_after_one_that_was_ended() {
    run(async {
        let app = Router::new()
            .route("/slow", axum::routing::get(std::future::pending::<String>))
            .route("/", axum::routing::get(|| async { "hello" }));
        let server = serve(app).await;
        let agent = hooks::ureq::agent(config().timeout_global(SHORT).build());
        run_in_fiber(move || {
            assert_eq!(which(text(&agent, &format!("http://{server}/slow")).unwrap_err()), Timeout::Global);
            let patient = agent.get(format!("http://{server}/")).config().timeout_global(LONG).build();
            let mut body = String::new();
            patient.call().unwrap().into_body().into_reader().read_to_string(&mut body).unwrap();
            assert_eq!(body, "hello");
        })
        .await;
    });
}
