//! Fifty clients at once on the thread of their server.

use std::{
    io::{Read, Write},
    time::Duration,
};

use hooks::tungstenite::{client, close, connect};
use servers::Server;
use tower_fiber::{
    FiberLayer, WaitExt as _,
    io::{FiberIo, TcpStream},
};
use tungstenite::{Error, Message, WebSocket};

use crate::{accept, common, listen, run, tls};

/// Sends each message back after as many milliseconds as it begins with.
fn echo(stream: tokio::net::TcpStream) -> Result<(), Error> {
    let mut socket = hooks::tungstenite::accept(FiberIo::new(stream))?;
    loop {
        let message = match socket.read() {
            Ok(message) => message,
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Message::Text(text) = message {
            let wait = text.split(' ').next().and_then(|wait| wait.parse().ok()).expect("a time");
            tokio::time::sleep(Duration::from_millis(wait)).wait();
            socket.send(Message::Text(text))?;
        }
    }
}

/// A server in fibers, for as long as the runtime is there.
async fn serve() -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        let layer = FiberLayer::new();
        loop {
            let stream = accept(&listener).await;
            let session = layer.run(move || echo(stream));
            tokio::spawn(async { session.await.expect("an orderly session") });
        }
    });
    url
}

fn ask<S: Read + Write>(mut socket: WebSocket<S>, caller: usize, wait: Duration) {
    let message = Message::from(format!("{} for {caller}", wait.as_millis()));
    socket.send(message.clone()).unwrap();
    assert_eq!(socket.read().unwrap(), message);
    close(&mut socket, None).unwrap();
}

#[test]
fn over_tcp() {
    run(async {
        let url = serve().await;
        common::overlap(move |caller, wait| ask(connect(&url).unwrap().0, caller, wait)).await;
    });
}

/// Through nginx, to the same server.
fn connect_to(nginx: &Server, url: &str) -> (String, TcpStream) {
    let port = url.trim_end_matches('/').rsplit(':').next().expect("a port");
    let stream = TcpStream::connect(("localhost", nginx.port)).unwrap();
    (format!("wss://localhost:{}/to/{port}/", nginx.port), stream)
}

#[test]
fn over_tls() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let url = serve().await;
        let config = tls::client(nginx);
        common::overlap(move |caller, wait| {
            let (url, stream) = connect_to(nginx, &url);
            let stream = hooks::rustls::connect(&config, "localhost", stream).unwrap();
            ask(client(url, stream).unwrap().0, caller, wait);
        })
        .await;
    });
}
