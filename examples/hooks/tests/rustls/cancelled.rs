//! Fibers that are cancelled in a handshake, in a callback, and later.

use std::{
    future::pending,
    io::{ErrorKind, Write as _},
    sync::Arc,
};

use rustls::sign::CertifiedKey;
use tokio::sync::{mpsc, oneshot};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _, error::Cancelled, io::TcpStream, run_in_fiber, try_await_in_fiber,
};

use crate::{VERSIONS, accept, certificate, client_of, listen, run, server, tls};

#[test]
fn a_client_whose_server_says_nothing() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let (listener, address) = listen().await;
        let (layer, config) = (FiberLayer::new(), tls::client(nginx));
        let call = layer.run(move || {
            let stream = TcpStream::connect(address).unwrap();
            hooks::rustls::connect(&config, "localhost", stream).unwrap_err()
        });
        let call = tokio::spawn(call);
        let silent = accept(&listener).await;
        silent.as_ref().peek(&mut [0]).await.unwrap();
        layer.handle().cancel_all();
        let error = call.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert!(error.to_string().starts_with("the fiber was cancelled"), "{error}");
    });
}

/// A server is cancelled while it looks for the first certificate; it finds the second by the same configuration.
async fn cancelled_in_the_callback(policy: OnDrop, wait: fn() -> bool) -> Result<String, bool> {
    let nginx = servers::nginx().unwrap();
    let (begin, mut begun) = mpsc::channel(1);
    let certificate = certificate(nginx);
    let find = move |_: &str| -> Option<Arc<CertifiedKey>> {
        if begin.try_send(()).is_ok() && !wait() {
            return None;
        }
        Some(Arc::clone(&certificate))
    };
    let (server, client) = (server(hooks::rustls::certificates(find)), client_of(VERSIONS[1], nginx));
    let (listener, address) = listen().await;
    let connect = move || {
        let stream = TcpStream::connect(address).unwrap();
        hooks::rustls::connect(&client, "localhost", stream).map(drop)
    };

    let asked = tokio::spawn(run_in_fiber(connect.clone()));
    let layer = FiberLayer::new().on_drop(policy);
    let (stream, config) = (accept(&listener).await, Arc::clone(&server));
    let served = tokio::spawn(layer.run(move || hooks::rustls::accept(&config, stream).unwrap_err().to_string()));
    begun.recv().await.unwrap();
    layer.handle().cancel_all();
    let served = served.await.map_err(|panic| panic.into_panic().is::<Cancelled>());
    assert_eq!(asked.await.unwrap().unwrap_err().kind(), ErrorKind::UnexpectedEof);

    // No more is told, so that this one does not wait.
    begun.close();
    let asked = tokio::spawn(run_in_fiber(connect));
    let stream = accept(&listener).await;
    run_in_fiber(move || hooks::rustls::accept(&server, stream).map(drop).unwrap()).await;
    asked.await.unwrap().unwrap();
    served
}

#[test]
fn a_server_that_looks_for_a_certificate() {
    let Some(_) = servers::nginx() else { return };
    run(async {
        let fallible = || try_await_in_fiber(pending::<()>()).is_ok();
        let found = cancelled_in_the_callback(OnDrop::Cancel, fallible).await;
        assert_eq!(found, Ok("unexpected error: no server certificate chain resolved".to_owned()));
        let infallible = || {
            pending::<()>().wait();
            true
        };
        assert_eq!(cancelled_in_the_callback(OnDrop::Unwind, infallible).await, Err(true));
    });
}

/// rustls has taken the bytes, and says later that they did not go out.
#[test]
fn an_error_that_a_write_keeps_back() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let (layer, config) = (FiberLayer::new(), tls::client(nginx));
        let (connect, connected) = oneshot::channel();
        let call = tokio::spawn(layer.run(move || {
            let stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
            let mut stream = hooks::rustls::connect(&config, "localhost", stream).unwrap();
            connect.send(()).unwrap();
            try_await_in_fiber(pending::<()>()).unwrap_err();
            stream.write_all(b"bytes").unwrap();
            hooks::rustls::close(&mut stream).unwrap_err()
        }));
        connected.await.unwrap();
        layer.handle().cancel_all();
        assert_eq!(call.await.unwrap().kind(), ErrorKind::ConnectionAborted);
    });
}
