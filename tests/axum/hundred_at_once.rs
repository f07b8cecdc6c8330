//! A hundred requests over loopback sockets, each of which waits 100 ms.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use axum::{Router, extract::Path, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tower_fiber::{FiberLayer, await_in_fiber, axum::fiber};

use crate::harness::on_each_runtime;

fn lookup(n: u32) -> String {
    await_in_fiber(sleep(Duration::from_millis(100)));
    format!("number {n}")
}

async fn fetch(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// Sends a hundred requests at once; gives how long they took.
async fn hundred(app: Router) -> Duration {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async { axum::serve(listener, app).await });
    let started = Instant::now();
    let mut requests = JoinSet::new();
    for n in 0..100 {
        requests.spawn(async move { (n, fetch(address, &format!("/{n}")).await) });
    }
    for (n, response) in requests.join_all().await {
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with(&format!("\r\n\r\nnumber {n}")), "{response}");
    }
    let took = started.elapsed();
    server.abort();
    took
}

#[test]
fn plain_handlers() {
    on_each_runtime(|| async {
        let app = Router::new().route("/{n}", get(fiber(|Path(n): Path<u32>| lookup(n))));
        let took = hundred(app).await;
        assert!(took < Duration::from_secs(1), "took {took:?}");
    });
}

#[test]
fn async_handlers_behind_the_layer() {
    on_each_runtime(|| async {
        let handler = async |Path(n): Path<u32>| lookup(n);
        let app = Router::new().route("/{n}", get(handler)).layer(FiberLayer::new());
        let took = hundred(app).await;
        assert!(took < Duration::from_secs(1), "took {took:?}");
    });
}
