//! Fibers that are cancelled in a call.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
};
use tower_fiber::{FiberLayer, OnDrop};
use ureq::{Agent, Error};

use crate::{agent, head, run, serve_by_hand, text};

/// What a server says before it waits until its client has gone.
const PARTS: [&str; 4] = [
    "",
    "HTTP/1.1 200 OK\r\nconte",
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    // The end of the connection is that of the body.
    "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf",
];

/// Says a part of a response to a request for `/part`, tells that, then that the client has gone. It answers any other.
async fn server(part: &'static str, tell: mpsc::UnboundedSender<&'static str>) -> SocketAddr {
    serve_by_hand(move |mut stream| {
        let tell = tell.clone();
        async move {
            loop {
                let head = head(&mut stream).await;
                if head.is_empty() {
                    break;
                }
                if head.starts_with("GET /part ") {
                    stream.write_all(part.as_bytes()).await.unwrap();
                    tell.send("said").unwrap();
                    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)), "it goes on to use this connection");
                    tell.send("gone").unwrap();
                    break;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole").await.unwrap();
            }
        }
    })
    .await
}

/// Asks for a part, and tells when it has come.
fn call(agent: &Agent, server: SocketAddr, tell: &mpsc::UnboundedSender<&'static str>) -> Result<String, Error> {
    let mut body = agent.get(format!("http://{server}/part")).call()?.into_body().into_reader();
    let mut half = [0; 4];
    body.read_exact(&mut half)?;
    tell.send("read").unwrap();
    let mut rest = String::new();
    body.read_to_string(&mut rest)?;
    Ok(rest)
}

/// Whether all of the part is on its way, or the client waits for more of the body.
async fn is_waited_for(part: &str, told: &mut mpsc::UnboundedReceiver<&'static str>) {
    assert_eq!(told.recv().await, Some("said"));
    if part.ends_with("half") {
        assert_eq!(told.recv().await, Some("read"));
    }
}

/// The connection has gone, and the agent makes another.
async fn is_usable(agent: Agent, server: SocketAddr, mut told: mpsc::UnboundedReceiver<&'static str>) {
    assert_eq!(told.recv().await, Some("gone"));
    let again = FiberLayer::new().run(move || text(&agent, &format!("http://{server}/")).unwrap());
    assert_eq!(again.await, "whole");
}

const CANCELLED: &str =
    "io: the fiber was cancelled: its caller has gone, or `FiberHandle::cancel_all` was called [TF07]";

#[test]
fn a_cancelled_call_is_an_error() {
    run(async {
        for part in PARTS {
            let (tell, mut told) = mpsc::unbounded_channel();
            let server = server(part, tell.clone()).await;
            let (layer, agent) = (FiberLayer::new(), agent());
            let used = agent.clone();
            let call = tokio::spawn(layer.run(move || call(&used, server, &tell)));
            is_waited_for(part, &mut told).await;
            layer.handle().cancel_all();
            assert_eq!(call.await.unwrap().unwrap_err().to_string(), CANCELLED, "{part:?}");
            is_usable(agent, server, told).await;
        }
    });
}

#[test]
fn a_dropped_call_ends_as_the_layer_says() {
    run(async {
        for (policy, part) in
            [OnDrop::Cancel, OnDrop::Unwind].into_iter().flat_map(|policy| PARTS.map(|part| (policy, part)))
        {
            let (tell, mut told) = mpsc::unbounded_channel();
            let server = server(part, tell.clone()).await;
            let (layer, agent) = (FiberLayer::new().on_drop(policy), agent());
            let (end, ended) = oneshot::channel();
            let used = agent.clone();
            let mut call = Box::pin(layer.run(move || end.send(call(&used, server, &tell)).unwrap()));
            tokio::select! {
                () = &mut call => panic!("it has ended"),
                () = is_waited_for(part, &mut told) => {}
            }
            drop(call);
            assert_eq!(ended.await.unwrap().unwrap_err().to_string(), CANCELLED, "{policy:?} {part:?}");
            layer.handle().drained().await;
            is_usable(agent, server, told).await;
        }
    });
}

/// A call in the destructor of a value, while the fiber unwinds.
#[test]
fn a_call_while_the_fiber_panics_is_an_error() {
    struct CallsAtItsEnd(SocketAddr, Arc<Mutex<Option<Error>>>);

    impl Drop for CallsAtItsEnd {
        fn drop(&mut self) {
            *self.1.lock().unwrap() = text(&agent(), &format!("http://{}/", self.0)).err();
        }
    }

    run(async {
        let (tell, _told) = mpsc::unbounded_channel();
        let server = server("", tell).await;
        let error = Arc::new(Mutex::new(None));
        let at_end = CallsAtItsEnd(server, Arc::clone(&error));
        let call = FiberLayer::new().run(move || {
            let _at_end = at_end;
            std::panic::resume_unwind(Box::new("the handler's own"));
        });
        assert!(tokio::spawn(call).await.unwrap_err().is_panic());
        let error = error.lock().unwrap().take().unwrap();
        assert_eq!(error.to_string(), "io: a fiber cannot suspend while its thread is panicking [TF08]");
    });
}
