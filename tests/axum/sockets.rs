//! Servers on real sockets, and their clients of both versions of HTTP.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode},
};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::harness::on_each_runtime;

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    address
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// Runs a test with both versions, on each runtime.
pub(crate) fn on_each_version<F: Future<Output = ()>>(test: impl Fn(Version) -> F) {
    for version in [Version::Http1, Version::Http2] {
        println!("{version:?}");
        on_each_runtime(|| test(version));
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    sender: Sender,
    connection: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, version: Version) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                let connection = tokio::spawn(async { _ = connection.await });
                Self { sender: Sender::Http1(sender), connection }
            }
            Version::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
                let connection = tokio::spawn(async { _ = connection.await });
                Self { sender: Sender::Http2(sender), connection }
            }
        }
    }

    pub(crate) async fn send(&mut self, request: Request) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// The status and the text of the response to a request.
    pub(crate) async fn text(&mut self, request: Request) -> (StatusCode, String) {
        let response = self.send(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Sends a request whose answer breaks off: before it was begun, or in the middle of its body.
    pub(crate) async fn broken(&mut self, request: Request) {
        match self.send(request).await {
            Ok(response) => println!("{}", response.into_body().collect().await.unwrap_err()),
            Err(error) => println!("{error}"),
        }
    }

    /// Closes the connection, with all that is going on there.
    pub(crate) async fn disconnect(self) {
        self.connection.abort();
        // It may have ended before.
        _ = self.connection.await;
    }
}

/// A request to a server that is known by its connection.
pub(crate) fn get(path: &str) -> Request {
    Request::get(format!("http://here{path}")).header("host", "here").body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, body: Body) -> Request {
    Request::post(format!("http://here{path}")).header("host", "here").body(body).unwrap()
}
