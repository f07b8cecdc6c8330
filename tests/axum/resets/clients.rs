//! Clients that go while their requests are being worked on.

use axum::{body::Body, http::Request};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::resets::shop::Shop;

/// Requests of one HTTP/2 connection.
const STREAMS: usize = 50;

/// A connection whose end is a reset.
async fn connect(shop: &Shop) -> TcpStream {
    let client = TcpStream::connect(shop.address).await.unwrap();
    client.set_zero_linger().unwrap();
    client
}

/// One request on each of `clients` connections, all reset.
pub(crate) async fn reset_http1(shop: &Shop, clients: usize) {
    let mut waiting = Vec::new();
    for _ in 0..clients {
        let mut client = connect(shop).await;
        client.write_all(b"GET /wait HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        waiting.push(client);
    }
    shop.are_waiting(clients).await;
    drop(waiting);
}

/// `clients` requests over a few connections: half of these stay while their streams are reset, half are reset
/// themselves.
pub(crate) async fn reset_http2(shop: &Shop, clients: usize) {
    let mut connections = Vec::new();
    for _ in 0..clients / STREAMS {
        let stream = TokioIo::new(connect(shop).await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut responses = Vec::new();
        for _ in 0..STREAMS {
            sender.ready().await.unwrap();
            let request = Request::get("http://shop/wait").body(Body::empty()).unwrap();
            responses.push(tokio::spawn(sender.send_request(request)));
        }
        connections.push((sender, connection, responses));
    }
    shop.are_waiting(clients).await;
    for (n, (sender, connection, responses)) in connections.into_iter().enumerate() {
        if n % 2 == 0 {
            connection.abort();
            _ = connection.await;
        }
        for response in responses {
            response.abort();
            _ = response.await;
        }
        // The connection that is left ends when it has sent its resets.
        drop(sender);
    }
}
