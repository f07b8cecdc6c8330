//! The server: a plain function that waits, and what its calls have come to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, axum::fiber_with, try_await_in_fiber, until_caller_gone};

use crate::support::{Drops, until};

pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    layer: FiberLayer,
    policy: OnDrop,
    calls: Arc<Calls>,
    expected: AtomicUsize,
}

struct Calls {
    /// Handlers that have begun to wait.
    waiting: AtomicUsize,
    /// What the code behind the wait has done.
    effects: AtomicUsize,
    /// Fallible waits that have failed.
    refused: AtomicUsize,
    /// Locals of the handlers.
    drops: Drops,
    /// Lets one of them finish for each permit.
    gate: Semaphore,
}

impl Shop {
    pub(crate) async fn open(policy: OnDrop) -> Self {
        let layer = FiberLayer::builder().stack_size(256 * 1024).on_drop(policy).build().unwrap();
        let calls = Arc::new(Calls {
            waiting: AtomicUsize::new(0),
            effects: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            drops: Drops::default(),
            gate: Semaphore::new(0),
        });
        let inside = Arc::clone(&calls);
        let app = Router::new()
            .route("/wait", get(fiber_with(&layer, move || inside.wait(policy))))
            .route("/next", get(fiber_with(&layer, || async { "next" }.wait())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, layer, policy, calls, expected: AtomicUsize::new(0) }
    }

    /// Waits until `clients` more handlers wait.
    pub(crate) async fn are_waiting(&self, clients: usize) {
        let expected = self.expected.fetch_add(clients, Ordering::Relaxed) + clients;
        until(|| self.calls.waiting.load(Ordering::Relaxed) == expected).await;
    }

    /// After `clients` handlers have lost their clients: all come to what the policy says, and nothing is left.
    pub(crate) async fn settle(&self, clients: usize) {
        if self.policy == OnDrop::Finish {
            self.calls.gate.add_permits(clients);
        }
        until(|| self.layer.handle().live() == 0).await;
        self.layer.handle().drained().await;
        let all = self.expected.load(Ordering::Relaxed);
        assert_eq!(self.calls.drops.count(), all, "each local is dropped once");
        let [effects, refused] = [&self.calls.effects, &self.calls.refused].map(|count| count.load(Ordering::Relaxed));
        match self.policy {
            OnDrop::Finish => assert_eq!((effects, refused), (all, 0)),
            OnDrop::Cancel => assert_eq!((effects, refused), (all, all)),
            _ => assert_eq!((effects, refused), (0, 0)),
        }
        let counters = self.layer.handle().counters();
        assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0));
        assert_eq!(counters.cancelled, if self.policy == OnDrop::Finish { 0 } else { all as u64 });
    }

    /// The next request is answered.
    pub(crate) async fn answers(&self) {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(b"GET /next HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("next"), "{answer}");
    }
}

impl Calls {
    /// The handler, which nobody waits for in the end.
    fn wait(&self, policy: OnDrop) {
        let _local = self.drops.held();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match policy {
            OnDrop::Finish => {
                until_caller_gone().wait();
                self.gate.acquire().wait().unwrap().forget();
            }
            OnDrop::Cancel => {
                assert!(try_await_in_fiber(self.gate.acquire()).is_err());
                self.refused.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().wait();
            }
            _ => drop(self.gate.acquire().wait()),
        }
        self.effects.fetch_add(1, Ordering::Relaxed);
    }
}
