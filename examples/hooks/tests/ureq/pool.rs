//! Connections that are used again, and those that must not be.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::spawn_blocking,
};
use tower_fiber::{FiberLayer, block_on_waits, run_in_fiber};
use ureq::{Agent, Error};

use crate::{agent, config_for, head, run, serve_by_hand, text};

/// A server that says which of its connections a request came by.
async fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = serve_by_hand(move |mut stream| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            while !head(&mut stream).await.is_empty() {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (server, connections)
}

#[test]
fn by_another_fiber_later() {
    run(async {
        let (server, _) = counting().await;
        let agent = agent();
        for layer in [FiberLayer::new(), FiberLayer::new()] {
            let agent = agent.clone();
            assert_eq!(layer.run(move || text(&agent, &format!("http://{server}/")).unwrap()).await, "0");
        }
    });
}

#[test]
fn over_https() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let agent = hooks::ureq::agent(config_for(nginx));
        let url = format!("https://localhost:{}/connection", nginx.port);
        let mut connections = Vec::new();
        for count in ["1", "2", "3"] {
            let (agent, url) = (agent.clone(), url.clone());
            let text = run_in_fiber(move || text(&agent, &url).unwrap()).await;
            let (connection, requests) = text.split_once(' ').unwrap();
            assert_eq!(requests, count);
            connections.push(connection.to_owned());
        }
        assert!(connections.windows(2).all(|two| two[0] == two[1]), "{connections:?}");
    });
}

/// By fibers of one runtime on several threads.
#[test]
fn by_another_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, connections) = counting().await;
        let agent = agent();
        for _ in 0..20 {
            let agent = agent.clone();
            let call = run_in_fiber(move || text(&agent, &format!("http://{server}/")).unwrap());
            assert_eq!(tokio::spawn(call).await.unwrap(), "0");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    });
}

/// One that a runtime has left behind, which has ended or not.
#[test]
fn not_by_another_runtime() {
    run(async {
        let (server, connections) = counting().await;
        let agent = agent();
        for number in ["0", "1", "2"] {
            let agent = agent.clone();
            let thread =
                std::thread::spawn(move || block_on_waits(|| text(&agent, &format!("http://{server}/")).unwrap()));
            assert_eq!(spawn_blocking(move || thread.join().unwrap()).await.unwrap(), number);
        }
        let here = run_in_fiber(move || text(&agent, &format!("http://{server}/")).unwrap());
        assert_eq!(here.await, "3");
        assert_eq!(connections.load(Ordering::SeqCst), 4);
    });
}

/// The client's runtime polls no sockets between the calls, so that only the system knows.
#[test]
fn not_if_the_server_has_closed_it() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let (close, closes) = mpsc::channel();
        let (tell, closed) = mpsc::channel();
        std::thread::spawn(move || {
            for number in 0..3 {
                let (stream, _) = listener.accept().unwrap();
                let mut stream = BufReader::new(stream);
                while stream.by_ref().lines().next().unwrap().unwrap() != "" {}
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                closes.recv().unwrap();
                drop(stream);
                tell.send(()).unwrap();
            }
        });
        let agent = agent();
        run_in_fiber(move || {
            for number in ["0", "1", "2"] {
                assert_eq!(text(&agent, &format!("http://{server}/")).unwrap(), number);
                close.send(()).unwrap();
                closed.recv().unwrap();
            }
        })
        .await;
    });
}

/// More than the response is in it, so that what comes next is not a response.
#[test]
fn not_if_the_server_says_more_than_it_was_asked() {
    run(async {
        let server = serve_by_hand(|mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n").await.unwrap();
            _ = stream.read(&mut [0]).await;
        })
        .await;
        let agent = agent();
        run_in_fiber(move || {
            for _ in 0..3 {
                assert_eq!(text(&agent, &format!("http://{server}/")).unwrap(), "ok");
            }
        })
        .await;
    });
}

fn call_until_shut_down(agent: &Agent, url: &str) -> Error {
    text(agent, url).expect_err("the server says nothing")
}

#[test]
fn shut_down_by_another_thread() {
    run(async {
        let (asked, mut asks) = tokio::sync::mpsc::channel(1);
        let server = serve_by_hand(move |mut stream| {
            let asked = asked.clone();
            async move {
                head(&mut stream).await;
                asked.send(()).await.unwrap();
                _ = stream.read(&mut [0]).await;
            }
        })
        .await;
        let agent = agent();
        let (used, url) = (agent.clone(), format!("http://{server}/"));
        let call = tokio::spawn(run_in_fiber(move || call_until_shut_down(&used, &url)));
        asks.recv().await.unwrap();
        spawn_blocking(move || agent.shutdown()).await.unwrap();
        assert_eq!(call.await.unwrap().to_string(), "io: Peer disconnected");
    });
}
