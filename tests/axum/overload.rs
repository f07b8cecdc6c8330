//! More requests than fibers: by axum they wait inside their tasks; with `LoadShed` directly outside of the layer they
//! are refused.

use std::sync::Arc;

use axum::{BoxError, Router, error_handling::HandleErrorLayer, http::StatusCode, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
};
use tower::ServiceBuilder;
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::{harness::on_each_runtime, sockets::serve};

const MAX: usize = 2;

/// Its fibers wait until the semaphore has permits.
async fn handler(gate: Arc<Semaphore>) -> &'static str {
    // Synchronous code further down.
    let waits = || gate.acquire().wait().unwrap().forget();
    waits();
    "done"
}

/// The status line of a request over a socket of its own.
fn request(address: std::net::SocketAddr) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap().to_owned()
    })
}

async fn until_live(layer: &FiberLayer, count: u64) {
    while layer.handle().live() != count {
        tokio::task::yield_now().await;
    }
}

#[test]
fn load_shed_directly_outside_answers_503_to_excess_requests() {
    on_each_runtime(|| async {
        let gate = Arc::new(Semaphore::new(0));
        let layer = FiberLayer::builder().max_fibers(MAX).build().unwrap();
        let shed = ServiceBuilder::new()
            .layer(HandleErrorLayer::new(|error: BoxError| async move {
                assert!(error.is::<tower::load_shed::error::Overloaded>(), "{error}");
                StatusCode::SERVICE_UNAVAILABLE
            }))
            .load_shed()
            .layer(layer.clone());
        let inside = Arc::clone(&gate);
        let address = serve(Router::new().route("/", get(move || handler(inside))).layer(shed)).await;
        for _ in 0..2 {
            let accepted: Vec<_> = (0..MAX).map(|_| request(address)).collect();
            until_live(&layer, MAX as u64).await;
            for excess in (0..3).map(|_| request(address)).collect::<Vec<_>>() {
                assert_eq!(excess.await.unwrap(), "HTTP/1.1 503 Service Unavailable");
            }
            gate.add_permits(MAX);
            for answered in accepted {
                assert_eq!(answered.await.unwrap(), "HTTP/1.1 200 OK");
            }
            layer.handle().drained().await;
        }
    });
}

#[test]
fn without_load_shed_excess_requests_wait_for_their_turn() {
    on_each_runtime(|| async {
        let gate = Arc::new(Semaphore::new(0));
        let layer = FiberLayer::builder().max_fibers(MAX).build().unwrap();
        let inside = Arc::clone(&gate);
        let app = Router::new().route("/", get(move || handler(inside))).layer(layer.clone());
        let address = serve(app).await;
        let accepted: Vec<_> = (0..5).map(|_| request(address)).collect();
        until_live(&layer, MAX as u64).await;
        gate.add_permits(5);
        for answered in accepted {
            assert_eq!(answered.await.unwrap(), "HTTP/1.1 200 OK");
            assert!(layer.handle().live() <= MAX as u64);
        }
    });
}
