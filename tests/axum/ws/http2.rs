//! Websockets over HTTP/2 (RFC 8441).

use axum::{body::Body, http::Request};
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use crate::{
    support::until,
    ws::harness::{Server, on_each_runtime},
};

#[test]
fn several_on_one_connection() {
    use futures_util::{SinkExt as _, StreamExt as _};

    on_each_runtime(|| async {
        let (report, mut ends) = mpsc::unbounded_channel();
        let server = Server::of(move |mut socket| {
            while let Some(message) = socket.recv() {
                socket.send(message).unwrap();
            }
            report.send(socket.end().is_some_and(|end| end.is_closed())).unwrap();
        })
        .await;
        let io = TokioIo::new(server.tcp().await);
        let (mut requests, connection) = http2::handshake::<_, _, Body>(TokioExecutor::new(), io).await.unwrap();
        let connected = tokio::spawn(connection);
        let mut sockets = Vec::new();
        for _ in 0..3 {
            // The client knows that it may when the server's settings have come, which it does not tell.
            let response = loop {
                let request = Request::connect("http://localhost/")
                    .extension(Protocol::from_static("websocket"))
                    .header("sec-websocket-version", "13")
                    .body(Body::empty());
                requests.ready().await.unwrap();
                match requests.send_request(request.unwrap()).await {
                    Ok(response) => break response,
                    Err(error) => assert!(error.is_user(), "{error}"),
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(response.status(), 200);
            let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
            sockets.push(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
        }
        until(|| server.layer.handle().live() == 3).await;
        for (n, socket) in sockets.iter_mut().enumerate() {
            socket.send(n.to_string().into()).await.unwrap();
        }
        for (n, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(socket.next().await.unwrap().unwrap(), n.to_string().into());
        }
        for mut socket in sockets {
            // The server resets its stream when it has answered, at which hyper's client may fail in the middle of
            // either call.
            _ = socket.close(None).await;
            assert!(socket.next().await.unwrap().map_or(true, |message| message.is_close()));
            assert_eq!(ends.recv().await, Some(true));
        }
        server.drained().await;
        drop(requests);
        until(|| connected.is_finished()).await;
    });
}
