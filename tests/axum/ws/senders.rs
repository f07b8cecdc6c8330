//! Senders, in other fibers, tasks and threads.

use std::thread;

use tokio::sync::{mpsc, watch};
use tower_fiber::{
    WaitExt as _,
    axum::{SyncWebSocket, WebSocketSender},
    block_on_waits, run_in_fiber,
};

use crate::{
    support::text_of_panic,
    ws::harness::{Server, close, on_each_runtime},
};

/// A server that gives away a sender for each client.
async fn giving() -> (Server, mpsc::UnboundedReceiver<WebSocketSender>) {
    let (give, senders) = mpsc::unbounded_channel();
    let server = Server::of(move |socket| {
        give.send(socket.sender()).unwrap();
        _ = socket.count();
    })
    .await;
    (server, senders)
}

#[test]
fn send_while_the_function_receives() {
    on_each_runtime(|| async {
        let (server, mut senders) = giving().await;
        let mut client = server.client().await;
        let sender = senders.recv().await.unwrap();
        sender.try_send("from a task").unwrap();
        assert_eq!(client.text().await, "from a task");
        let other = sender.clone();
        run_in_fiber(move || (0..100).for_each(|n| other.send(n.to_string()).unwrap())).await;
        let other = sender.clone();
        let thread =
            thread::spawn(move || block_on_waits(|| (100..200).for_each(|n| other.send(n.to_string()).unwrap())));
        for n in 0..200 {
            assert_eq!(client.text().await, n.to_string());
        }
        thread.join().unwrap();
        sender.close(4000, "closed by a task");
        assert_eq!(client.closed().await, close(4000, "closed by a task"));
        assert!(sender.try_send("late").unwrap_err().is_closed());
        server.drained().await;
    });
}

#[test]
fn that_wait_are_told_of_the_end() {
    on_each_runtime(|| async {
        let (server, mut senders) = giving().await;
        let client = server.client().await;
        let sender = senders.recv().await.unwrap();
        let (report, mut reports) = mpsc::unbounded_channel();
        let fiber = tokio::spawn(run_in_fiber(move || {
            let large = "x".repeat(256 << 10);
            loop {
                report.send(()).unwrap();
                if let Err(error) = sender.send(&*large) {
                    return error;
                }
            }
        }));
        for _ in 0..65 {
            reports.recv().await.unwrap();
        }
        drop(client);
        assert!(fiber.await.unwrap().is_closed());
        server.drained().await;
    });
}

#[test]
fn two_functions_that_send_to_each_other_go_on() {
    // Much more than their queues have room for.
    const COUNT: usize = 1000;
    on_each_runtime(|| async {
        let (meet, partners) = watch::channel(Vec::<WebSocketSender>::new());
        let server = Server::of(move |mut socket| {
            meet.send_modify(|all| all.push(socket.sender()));
            let place = partners.borrow().len() - 1;
            let all = partners.clone().wait_for(|all| all.len() == 2).wait().unwrap().clone();
            let partner = &all[1 - place.min(1)];
            (0..COUNT).for_each(|n| partner.send(format!("{n:01000}")).unwrap());
            assert_eq!(socket.recv(), None);
        })
        .await;
        let (mut first, mut second) = (server.client().await, server.client().await);
        for client in [&mut first, &mut second] {
            for n in 0..COUNT {
                assert_eq!(client.text().await.parse(), Ok(n));
            }
        }
        for mut client in [first, second] {
            client.close(1000, "").await;
            client.closed().await;
        }
        server.drained().await;
    });
}

#[test]
fn a_socket_can_be_moved_to_a_thread_that_may_block() {
    on_each_runtime(|| async {
        let server = Server::of(|mut socket| {
            let thread = tokio::task::spawn_blocking(|| {
                block_on_waits(move || {
                    while let Some(message) = socket.recv() {
                        socket.send(message).unwrap();
                    }
                });
            });
            thread.wait().unwrap();
        })
        .await;
        let mut client = server.client().await;
        for n in 0..100 {
            client.send(n.to_string()).await;
            assert_eq!(client.text().await, n.to_string());
        }
        client.close(1000, "").await;
        assert_eq!(client.closed().await, close(1000, ""));
        server.drained().await;
    });
}

#[test]
fn outside_of_fibers_only_what_does_not_wait_can_be_used() {
    on_each_runtime(|| async {
        let (give, mut sockets) = mpsc::unbounded_channel();
        let (release, released) = watch::channel(false);
        let server = Server::of(move |socket: SyncWebSocket| {
            give.send(socket).unwrap();
            released.clone().wait_for(|released| *released).wait().unwrap();
        })
        .await;
        let mut client = server.client().await;
        let mut socket = sockets.recv().await.unwrap();
        for text in [text_of_panic(|| socket.send("a")), text_of_panic(|| socket.recv())] {
            assert!(text.contains("run_in_fiber") && text.contains("block_on_waits"), "{text}");
        }
        socket.sender().try_send("b").unwrap();
        assert_eq!(client.text().await, "b");
        release.send(true).unwrap();
        // It has outlived its function.
        assert_eq!(client.closed().await, close(1000, ""));
        assert_eq!(run_in_fiber(move || socket.recv()).await, None);
        server.drained().await;
    });
}
