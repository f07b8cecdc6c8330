//! The four kinds of methods, from the generated server and from single functions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tonic::{
    Code, Streaming,
    codegen::tokio_stream::{self, wrappers::ReceiverStream},
};
use tonic_example::{directory::SlowDirectory, methods::UNKNOWN_NAME, proto::HelloReply};
use tower_fiber::{FiberLayer, WaitExt as _, in_fiber};

use crate::harness::{Asks, all_ended, client_of, greet, hello, mounts, on_each_runtime};

async fn next(replies: &mut Streaming<HelloReply>) -> Option<String> {
    replies.message().await.unwrap().map(|reply| reply.message)
}

#[test]
fn unary() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        for routes in mounts(&layer, SlowDirectory::new(Duration::from_millis(1))) {
            let client = client_of(routes).await;
            assert_eq!(greet(client.clone(), " Ada ").await.unwrap(), "Good day, Countess Ada");
            let status = greet(client, "Zoë").await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::NotFound, "nobody is called \"Zoë\""));
        }
        all_ended(&layer.handle()).await;
    });
}

#[test]
fn an_iterator_in() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        for routes in mounts(&layer, SlowDirectory::new(Duration::from_millis(1))) {
            let mut client = client_of(routes).await;
            let (requests, receiver) = mpsc::channel(1);
            let call = tokio::spawn({
                let mut client = client.clone();
                async move { client.greet_all(ReceiverStream::new(receiver)).await }
            });
            for name in ["Ada", "Alan", "Grace"] {
                requests.send(hello(name)).await.unwrap();
            }
            assert!(!call.is_finished());
            drop(requests);
            let reply = call.await.unwrap().unwrap().into_inner();
            assert_eq!(reply.message, "Good day, Countess Ada; Good day, Doctor Alan; Good day, Rear Admiral Grace");

            let status = client.greet_all(tokio_stream::empty()).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            let status = client.greet_all(tokio_stream::iter(["Ada", "Zoë"].map(hello))).await.unwrap_err();
            assert_eq!(status.code(), Code::NotFound);
            assert_eq!(status.metadata().get_bin(UNKNOWN_NAME).unwrap().to_bytes().unwrap(), "Zoë".as_bytes());
        }
        all_ended(&layer.handle()).await;
    });
}

#[test]
fn a_producer_out() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let directory = Asks(move |_: &str| {
            assert!(in_fiber());
            tokio::task::yield_now().wait();
            let n = count.fetch_add(1, Ordering::Relaxed);
            Ok((n < 500).then(|| n.to_string()))
        });
        for routes in mounts(&layer, directory) {
            asked.store(0, Ordering::Relaxed);
            let mut replies = client_of(routes).await.watch(hello("Ada")).await.unwrap().into_inner();
            for n in 0..500 {
                assert_eq!(next(&mut replies).await.unwrap(), format!("Good day, {n} Ada"));
            }
            // The error of the plain code is the status after the last reply.
            let status = replies.message().await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::NotFound, "nobody is called \"Ada\""));
            assert_eq!(status.metadata().get_bin(UNKNOWN_NAME).unwrap().to_bytes().unwrap(), "Ada");
        }
        all_ended(&layer.handle()).await;
    });
}

#[test]
fn both() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        for routes in mounts(&layer, SlowDirectory::new(Duration::from_millis(1))) {
            let (requests, receiver) = mpsc::channel(1);
            let mut client = client_of(routes).await;
            let mut replies = client.chat(ReceiverStream::new(receiver)).await.unwrap().into_inner();
            for (name, reply) in [("Ada", "Good day, Countess Ada"), ("Zoë", "Who are you, Zoë?")] {
                // Each is answered before the next is sent.
                requests.send(hello(name)).await.unwrap();
                assert_eq!(next(&mut replies).await.unwrap(), reply);
            }
            drop(requests);
            assert_eq!(next(&mut replies).await.unwrap(), "Goodbye");
            assert_eq!(next(&mut replies).await, None);

            let mut replies = client.chat(tokio_stream::iter(["Alan", ""].map(hello))).await.unwrap().into_inner();
            assert_eq!(next(&mut replies).await.unwrap(), "Good day, Doctor Alan");
            assert_eq!(replies.message().await.unwrap_err().code(), Code::InvalidArgument);
        }
        all_ended(&layer.handle()).await;
    });
}

#[test]
fn two_hundred_wait_at_once() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (asked, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inside = (Arc::clone(&asked), Arc::clone(&answer));
        let directory = Asks(move |_: &str| {
            inside.0.add_permits(1);
            assert!(inside.1.acquire().wait().is_err(), "it gives no permits, it is closed");
            Ok(Some("Citizen".to_owned()))
        });
        let [routes, _] = mounts(&layer, directory);
        let client = client_of(routes).await;
        let mut calls = JoinSet::new();
        for n in 0..50 {
            let name = n.to_string();
            let (mut to, one) = (client.clone(), hello(&name));
            calls.spawn(async move { to.say_hello(one).await.unwrap().into_inner().message });
            let (mut to, one) = (client.clone(), tokio_stream::iter([hello(&name)]));
            calls.spawn(async move { to.greet_all(one).await.unwrap().into_inner().message });
            let (mut to, one) = (client.clone(), hello(&name));
            calls.spawn(async move { next(&mut to.watch(one).await.unwrap().into_inner()).await.unwrap() });
            let (mut to, one) = (client.clone(), tokio_stream::iter([hello(&name)]));
            calls.spawn(async move { next(&mut to.chat(one).await.unwrap().into_inner()).await.unwrap() });
        }
        asked.acquire_many(200).await.unwrap().forget();
        assert_eq!(layer.handle().live(), 200);
        answer.close();
        let mut greetings = calls.join_all().await;
        greetings.sort();
        let mut expected: Vec<_> = (0..200).map(|n| format!("Good day, Citizen {}", n / 4)).collect();
        expected.sort();
        assert_eq!(greetings, expected);
        all_ended(&layer.handle()).await;
    });
}
