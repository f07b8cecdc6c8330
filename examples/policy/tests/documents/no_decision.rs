//! Policies that do not decide.

use std::{future::pending, net::Ipv4Addr, sync::Arc, time::Duration};

use policy::proto::decisions::DecisionsServer;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, Semaphore},
    time::timeout,
};
use tonic::{
    Code, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::harness::{Decides, LONG, all_ended, documents, listener, on_each_runtime, read};

fn assert_is_unavailable(status: &Status) {
    let expected = "nobody can decide at present, try again later";
    assert_eq!((status.code(), status.message()), (Code::Unavailable, expected));
}

#[test]
fn the_policy_is_down_and_comes_back() {
    on_each_runtime(|| async {
        let (address, incoming) = listener().await;
        drop(incoming);
        let (client, handle) = documents(address, LONG).await;
        for _ in 0..2 {
            assert_is_unavailable(&read(client.clone(), "ada", "plans").await.unwrap_err());
        }
        let (policy, _) = Decides::new(|_| async { Ok(true) });
        let incoming = TcpIncoming::from(TcpListener::bind(address).await.unwrap());
        tokio::spawn(Server::builder().add_service(DecisionsServer::new(policy)).serve_with_incoming(incoming));
        assert_eq!(read(client, "ada", "plans").await.unwrap(), "First the mill, then the engine.");
        all_ended(&handle).await;
    });
}

#[test]
fn the_policy_fails() {
    on_each_runtime(|| async {
        let (policy, asked) = Decides::new(|_| async { Err(Status::internal("the table is gone")) });
        let (client, handle) = documents(policy.serve().await, LONG).await;
        for n in 1..=2 {
            assert_is_unavailable(&read(client.clone(), "ada", "plans").await.unwrap_err());
            assert_eq!(asked.lock().await.len(), n, "a failure is not kept");
        }
        all_ended(&handle).await;
    });
}

/// Says when it is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[test]
fn the_policy_is_too_slow() {
    on_each_runtime(|| async {
        let stopped = Arc::new(Notify::new());
        let stops = Arc::clone(&stopped);
        let (policy, _) = Decides::new(move |request| {
            assert_eq!(request.metadata().get("grpc-timeout").unwrap(), "200000u", "the deadline goes along");
            let dropped = Dropped(Arc::clone(&stops));
            async move {
                let _dropped = dropped;
                pending().await
            }
        });
        let (client, handle) = documents(policy.serve().await, Duration::from_millis(200)).await;
        assert_is_unavailable(&read(client, "ada", "plans").await.unwrap_err());
        // Nobody thinks about an answer that nobody waits for.
        stopped.notified().await;
        all_ended(&handle).await;
    });
}

#[test]
fn nobody_speaks() {
    on_each_runtime(|| async {
        // The connection stands, and nobody answers on it.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, handle) = documents(listener.local_addr().unwrap(), Duration::from_millis(200)).await;
        assert_is_unavailable(&read(client, "ada", "plans").await.unwrap_err());
        all_ended(&handle).await;
    });
}

#[test]
fn nobody_takes_the_connection() {
    on_each_runtime(|| async {
        // A queue that is full: the next client that connects waits.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(connected.unwrap());
        }
        let (client, handle) = documents(address, Duration::from_millis(200)).await;
        assert_is_unavailable(&read(client, "ada", "plans").await.unwrap_err());
        all_ended(&handle).await;
    });
}

#[test]
fn a_caller_that_goes_stops_no_question() {
    on_each_runtime(|| async {
        let (asks, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inside = (Arc::clone(&asks), Arc::clone(&answer));
        let (policy, asked) = Decides::new(move |_| {
            let (asks, answer) = inside.clone();
            async move {
                asks.add_permits(1);
                answer.acquire().await.unwrap().forget();
                Ok(true)
            }
        });
        let (client, handle) = documents(policy.serve().await, LONG).await;
        let call = tokio::spawn(read(client.clone(), "ada", "plans"));
        asks.acquire().await.unwrap().forget();
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        answer.add_permits(2);
        all_ended(&handle).await;
        // The decisions that it waited for are kept.
        assert_eq!(read(client, "ada", "plans").await.unwrap(), "First the mill, then the engine.");
        assert_eq!(asked.lock().await.len(), 2);
    });
}
