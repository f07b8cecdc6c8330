//! Fibers that are cancelled while they wait for the other side.

use std::io::ErrorKind;

use hooks::tungstenite::connect;
use tokio::sync::oneshot;
use tower_fiber::{FiberLayer, OnDrop, io::FiberIo, run_in_fiber};
use tungstenite::{Error, error::ProtocolError};

use crate::{Socket, accept, listen, run};

fn is_cancelled(error: &Error) -> bool {
    let Error::Io(error) = error else { return false };
    error.kind() == ErrorKind::ConnectionAborted && error.to_string().starts_with("the fiber was cancelled")
}

/// A session until its first error, and what that is.
fn read_all(socket: &mut Socket, begun: oneshot::Sender<()>) -> Error {
    socket.send("begun".into()).unwrap();
    begun.send(()).unwrap();
    loop {
        if let Err(error) = socket.read() {
            return error;
        }
    }
}

#[test]
fn while_it_reads() {
    run(async {
        for policy in [OnDrop::Cancel, OnDrop::Unwind] {
            let (listener, url) = listen().await;
            let layer = FiberLayer::new().on_drop(policy);
            let (begin, begun) = oneshot::channel();
            let (end, ended) = oneshot::channel();
            let call = layer.run(move || end.send(read_all(&mut connect(url).unwrap().0, begin)).unwrap());
            let call = tokio::spawn(call);
            let stream = accept(&listener).await;
            let server = run_in_fiber(move || {
                let mut socket = hooks::tungstenite::accept(FiberIo::new(stream)).unwrap();
                assert_eq!(socket.read().unwrap(), "begun".into());
                socket.read().unwrap_err()
            });
            let server = tokio::spawn(server);
            begun.await.unwrap();
            call.abort();
            assert!(is_cancelled(&ended.await.unwrap()));
            let error = server.await.unwrap();
            assert!(matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{error:?}");
            layer.handle().drained().await;
        }
    });
}

#[test]
fn in_the_handshake() {
    run(async {
        let (listener, url) = listen().await;
        let layer = FiberLayer::new();
        let call = tokio::spawn(layer.run(move || connect(url).unwrap_err()));
        let silent = accept(&listener).await;
        silent.peek(&mut [0]).await.unwrap();
        layer.handle().cancel_all();
        assert!(is_cancelled(&call.await.unwrap()));
    });
}

/// The message is longer than what the system keeps for a server that does not read.
#[test]
fn while_it_writes() {
    run(async {
        let (listener, url) = listen().await;
        let layer = FiberLayer::new();
        let (begin, begun) = oneshot::channel();
        let call = tokio::spawn(layer.run(move || {
            let mut socket = connect(url).unwrap().0;
            begin.send(()).unwrap();
            socket.send(vec![0; 64 << 20].into()).unwrap_err()
        }));
        let stream = accept(&listener).await;
        let _deaf = run_in_fiber(move || hooks::tungstenite::accept(FiberIo::new(stream)).unwrap()).await;
        begun.await.unwrap();
        layer.handle().cancel_all();
        assert!(is_cancelled(&call.await.unwrap()));
    });
}
