//! Clients that break the protocol, and what is said of them.

use tokio::{io::AsyncWriteExt as _, sync::mpsc};
use tokio_tungstenite::tungstenite::Bytes;
use tower_fiber::{
    FiberLayer,
    axum::{SyncWebSocket, WebSocketEnd},
};

use crate::ws::harness::{Client, Server, close, on_each_runtime};

const TOO_LONG: [u8; 2000] = [b'x'; 2000];

/// What a client does wrong, what it is told, and what the error says.
const WRONGS: [(&[u8], u16, &str); 4] = [
    // A text frame that is not masked.
    (&[0x81, 0x01, b'a'], 1002, "mask"),
    // A reserved operation.
    (&[0x83, 0x80, 0, 0, 0, 0], 1002, "opcode"),
    // Not UTF-8.
    (&[0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFF], 1007, "UTF-8"),
    // A frame that says it is very long.
    (&[0x82, 0xFF, 0, 0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0], 1009, "too long"),
];

async fn server(f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static) -> Server {
    let layer = FiberLayer::builder().name("talks").build().unwrap();
    Server::with(layer, |ws| ws.max_message_size(1000), f).await
}

async fn wrong(server: &Server, bytes: &[u8]) -> Client {
    let mut client = server.client().await;
    client.0.get_mut().write_all(bytes).await.unwrap();
    client
}

#[test]
fn is_the_end() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = server(move |mut socket| {
            assert_eq!(socket.recv(), None);
            assert!(socket.send("late").unwrap_err().is_closed());
            let Some(WebSocketEnd::Failed(error)) = socket.end() else { panic!("{:?}", socket.end()) };
            report.send(error.to_string()).unwrap();
        })
        .await;
        for (bytes, code, text) in WRONGS {
            let mut client = wrong(&server, bytes).await;
            assert_eq!(client.closed().await, close(code, ""), "{text}");
            let error = reports.recv().await.unwrap();
            assert!(error.contains(text), "{error} has no {text}");
        }
        let mut client = server.client().await;
        client.send(Bytes::from_static(&TOO_LONG)).await;
        assert_eq!(client.closed().await, close(1009, ""));
        let error = reports.recv().await.unwrap();
        assert!(error.contains("too long: 2000"), "{error}");
        server.drained().await;
    });
}

#[test]
fn what_came_before_is_received() {
    on_each_runtime(|| async {
        let (report, mut reports) = mpsc::unbounded_channel();
        let server = server(move |socket| report.send(socket.count()).unwrap()).await;
        let mut client = server.client().await;
        client.send("a").await;
        client.send("b").await;
        client.0.get_mut().write_all(WRONGS[0].0).await.unwrap();
        assert_eq!(client.closed().await, close(1002, ""));
        assert_eq!(reports.recv().await.unwrap(), 2);
    });
}

#[cfg(feature = "tracing")]
mod is_reported {
    use std::future::Future;

    use axum::extract::ws::Message;
    use tokio::runtime::Builder;
    use tower_fiber::axum::WebSocketHandler;

    use super::*;
    use crate::logged::Warnings;

    struct Nothing;

    impl WebSocketHandler for Nothing {
        fn on_message(&mut self, _: &mut SyncWebSocket, _: Message) {}
    }

    /// The warnings of a test on one thread.
    fn warnings_of<F: Future<Output = ()>>(test: impl FnOnce() -> F) -> Vec<String> {
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
        });
        warnings.take()
    }

    #[test]
    fn if_nobody_looks() {
        let functions: [fn(SyncWebSocket); 2] = [|socket| _ = socket.count(), |socket| socket.serve(Nothing)];
        for function in functions {
            let warnings = warnings_of(|| async {
                let server = server(function).await;
                assert_eq!(wrong(&server, WRONGS[0].0).await.closed().await, close(1002, ""));
                server.drained().await;
            });
            let [warning] = &warnings[..] else { panic!("one: {warnings:?}") };
            assert!(warning.contains("service=\"talks\"") && warning.contains("mask"), "{warning}");
        }
    }

    #[test]
    fn not_if_the_function_has_looked() {
        let warnings = warnings_of(|| async {
            let server = server(|mut socket| {
                assert_eq!(socket.recv(), None);
                assert!(!socket.end().unwrap().is_closed());
            })
            .await;
            assert_eq!(wrong(&server, WRONGS[0].0).await.closed().await, close(1002, ""));
            server.drained().await;
        });
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn and_plain_ends_are_not() {
        let warnings = warnings_of(|| async {
            let server = server(|mut socket| while socket.recv().is_some() {}).await;
            let mut client = server.client().await;
            client.close(1000, "").await;
            assert_eq!(client.closed().await, close(1000, ""));
            let mut client = server.client().await;
            client.close(1001, "going away").await;
            assert_eq!(client.closed().await, close(1001, "going away"));
            drop(server.client().await);
            server.drained().await;
        });
        assert_eq!(warnings, [""; 0]);
    }
}
