//! Connections that are not made.

use std::{io::ErrorKind, time::Duration};

use hooks::tungstenite::{accept, client, connect};
use tokio::io::AsyncWriteExt as _;
use tower_fiber::{
    io::{FiberIo, TcpStream},
    run_in_fiber,
};
use tungstenite::{
    Error,
    error::{ProtocolError, UrlError},
};

use crate::{accept as accepted, listen, run};

/// What a client says of a server that answers so, and goes.
async fn error_of(answer: &'static str) -> Error {
    let (listener, url) = listen().await;
    let client = run_in_fiber(move || connect(url).unwrap_err());
    let server = async {
        let mut stream = accepted(&listener).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // Not before the client has gone, since its request is left unread.
        _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    };
    tokio::join!(client, server).0
}

#[test]
fn no_websocket_is_there() {
    run(async {
        let error = error_of("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(error.to_string(), "HTTP error: 404 Not Found");
        let error = error_of("HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
        assert!(matches!(error, Error::Protocol(ProtocolError::MissingUpgradeWebSocketHeader)), "{error:?}");
        let error = error_of("HTTP/1.1 101 Switch").await;
        assert!(matches!(error, Error::Protocol(ProtocolError::HandshakeIncomplete)), "{error:?}");
    });
}

#[test]
fn nobody_is_there() {
    run(async {
        let (listener, url) = listen().await;
        drop(listener);
        let Error::Io(error) = run_in_fiber(move || connect(url).unwrap_err()).await else { panic!("another error") };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn urls_for_others() {
    run(async {
        let error = run_in_fiber(|| connect("http://localhost/").unwrap_err()).await;
        assert!(matches!(error, Error::Url(UrlError::UnsupportedUrlScheme)), "{error:?}");
        let error = run_in_fiber(|| connect("wss://localhost/").unwrap_err()).await;
        let text = "IO error: this connects without TLS: for a wss URL connect a TLS stream, and give it to `client`";
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn outside_of_fibers() {
    run(async {
        let Error::Io(error) = connect("ws://127.0.0.1:1/").unwrap_err() else { panic!("another error") };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("waited outside a fiber"), "{error}");
    });
}

#[test]
fn a_request_that_is_none() {
    run(async {
        let (listener, url) = listen().await;
        let address = url.trim_start_matches("ws://").trim_end_matches('/').to_owned();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let accepting = accepted(&listener).await;
        let error = run_in_fiber(move || accept(FiberIo::new(accepting)).unwrap_err()).await;
        assert!(matches!(error, Error::Protocol(ProtocolError::WrongHttpMethod)), "{error:?}");
    });
}

#[test]
fn a_server_that_says_nothing() {
    run(async {
        let (listener, url) = listen().await;
        let address = listener.local_addr().unwrap();
        let called = run_in_fiber(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            client(url, stream).unwrap_err()
        });
        let Error::Io(error) = called.await else { panic!("another error") };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn an_address_of_ip_6() {
    run(async {
        let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = async {
            let stream = accepted(&listener).await;
            run_in_fiber(move || accept(FiberIo::new(stream)).map(drop).unwrap()).await;
        };
        let client = run_in_fiber(move || connect(url).map(drop).unwrap());
        tokio::join!(server, client);
    });
}
