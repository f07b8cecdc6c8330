//! Cancelled fibers.

use std::future::pending;

use tokio::sync::mpsc;
use tower_fiber::{
    FiberLayer, OnDrop, Placement, WaitExt as _,
    axum::{SyncWebSocket, WebSocketEnd},
    run_in_fiber, try_await_in_fiber,
};

use crate::ws::harness::{Server, close, on_each_runtime};

const POLICIES: [OnDrop; 3] = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind];

async fn server(policy: OnDrop, f: impl Fn(SyncWebSocket) + Clone + Send + Sync + 'static) -> Server {
    Server::with(FiberLayer::builder().on_drop(policy).build().unwrap(), |ws| ws, f).await
}

#[test]
fn receive_nothing_more() {
    on_each_runtime(|| async {
        for policy in POLICIES {
            let (report, mut reports) = mpsc::unbounded_channel();
            let server = server(policy, move |mut socket| {
                while let Some(message) = socket.recv() {
                    socket.send(message).unwrap();
                }
                assert!(matches!(socket.end(), Some(WebSocketEnd::Cancelled)), "{socket:?}");
                assert_eq!(socket.recv(), None);
                let error = socket.send("late").unwrap_err();
                assert!(error.is_cancelled() && !error.is_closed(), "{error:?}");
                // What does not wait can still be done.
                socket.sender().try_send(error.into_message()).unwrap();
                report.send(()).unwrap();
            })
            .await;
            let mut client = server.client().await;
            client.send("hello").await;
            assert_eq!(client.text().await, "hello");
            server.layer.handle().cancel_all();
            let (texts, end) = client.rest().await;
            assert_eq!((&*texts, end), (&["late".to_owned()][..], Some(close(1001, ""))));
            reports.recv().await.unwrap();
            server.drained().await;
            assert_eq!(server.layer.handle().counters().cancelled, 1);
        }
    });
}

#[test]
fn send_nothing_more() {
    on_each_runtime(|| async {
        for policy in POLICIES {
            let (report, mut reports) = mpsc::unbounded_channel();
            let server = server(policy, move |mut socket| {
                let large = "x".repeat(256 << 10);
                let error = loop {
                    report.send(None).unwrap();
                    if let Err(error) = socket.send(&*large) {
                        break error;
                    }
                };
                socket.close(4000, "that is all");
                report.send(Some(error)).unwrap();
            })
            .await;
            let mut client = server.client().await;
            for _ in 0..65 {
                assert!(reports.recv().await.unwrap().is_none());
            }
            server.layer.handle().cancel_all();
            let error = loop {
                if let Some(error) = reports.recv().await.unwrap() {
                    break error;
                }
            };
            assert!(error.is_cancelled(), "{error:?}");
            assert_eq!(error.into_message().into_text().unwrap().len(), 256 << 10);
            let (texts, end) = client.rest().await;
            assert_eq!((texts.len() >= 64, end), (true, Some(close(4000, "that is all"))));
            server.drained().await;
        }
    });
}

#[test]
fn unwind_from_other_waits() {
    on_each_runtime(|| async {
        let server = server(OnDrop::Unwind, |mut socket| {
            socket.send("hello").unwrap();
            pending::<()>().wait();
        })
        .await;
        let mut client = server.client().await;
        assert_eq!(client.text().await, "hello");
        server.layer.handle().cancel_all();
        assert_eq!(client.closed().await, close(1001, ""));
        server.drained().await;
    });
}

#[test]
fn a_handler_is_told() {
    struct Telling(mpsc::UnboundedSender<String>);

    impl tower_fiber::axum::WebSocketHandler for Telling {
        fn on_message(&mut self, _: &mut SyncWebSocket, _: axum::extract::ws::Message) {}

        fn on_close(&mut self, end: &WebSocketEnd) {
            self.0.send(format!("{end:?}, can wait: {}", try_await_in_fiber(async {}).is_ok())).unwrap();
        }
    }

    on_each_runtime(|| async {
        for policy in POLICIES {
            let (tell, mut told) = mpsc::unbounded_channel();
            let server = server(policy, move |mut socket| {
                socket.send("hello").unwrap();
                socket.serve(Telling(tell.clone()));
            })
            .await;
            let mut client = server.client().await;
            assert_eq!(client.text().await, "hello");
            server.layer.handle().cancel_all();
            assert_eq!(client.closed().await, close(1001, ""));
            assert_eq!(told.recv().await.unwrap(), "Cancelled, can wait: false");
            server.drained().await;
            assert!(told.try_recv().is_err());
        }
    });
}

#[test]
fn the_runtime_ends_first() {
    let layer = FiberLayer::builder().placement(Placement::SharedPool).build().unwrap();
    let (report, mut reports) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::with(
            layer.clone(),
            |ws| ws,
            move |mut socket| {
                socket.send("hello").unwrap();
                report.send(socket.recv().is_some()).unwrap();
            },
        )
        .await;
        assert_eq!(server.client().await.text().await, "hello");
        // Another one, whose client stays.
        let mut client = server.client().await;
        assert_eq!(client.text().await, "hello");
        std::mem::drop(tokio::spawn(async move { client.next().await }));
        assert_eq!(reports.recv().await, Some(false));
    });
    drop(runtime);
    assert_eq!(reports.blocking_recv(), Some(false));
    assert_eq!(reports.blocking_recv(), None);
}

#[test]
fn a_socket_that_outlives_its_runtime_has_ended() {
    on_each_runtime(|| async {
        let (give, mut sockets) = mpsc::unbounded_channel();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let servers = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::of(move |socket| give.send(socket).unwrap()).await;
                // It does not answer the close.
                let _client = server.client().await;
                server.drained().await;
                ended.await.unwrap();
            });
        });
        let mut socket = sockets.recv().await.unwrap();
        end.send(()).unwrap();
        assert_eq!(run_in_fiber(move || socket.recv()).await, None);
        servers.join().unwrap();
    });
}
