//! What a call brings beside its message, and what it takes back: metadata, extensions, details, trailers.

use tonic::{
    Code, Request, Response, Status, Streaming,
    codegen::{InterceptedService, tokio_stream},
    metadata::MetadataValue,
    service::{LayerExt as _, Routes},
};
use tonic_example::proto::{GreeterServer, HelloReply, HelloRequest};
use tower_fiber::FiberLayer;

use crate::{
    harness::{all_ended, client_of, hello, on_each_runtime},
    probe::{Caller, Probe},
};

const SEEN: &str = r#"Some("Ada Lovelace") Some("plain") Some(b"\x01\xff")"#;

/// Lets nobody in who does not say `plain`.
fn introduce(mut request: Request<()>) -> Result<Request<()>, Status> {
    if request.metadata().get("text").is_none() {
        return Err(Status::unauthenticated("say who you are"));
    }
    request.extensions_mut().insert(Caller("Ada Lovelace"));
    Ok(request)
}

fn routes(layer: &FiberLayer, probe: &Probe) -> [Routes; 2] {
    // The interceptor in front of the fiber, and inside.
    let outside = InterceptedService::new(layer.named_layer(GreeterServer::new(probe.clone())), introduce);
    let inside = layer.named_layer(InterceptedService::new(GreeterServer::new(probe.clone()), introduce));
    [Routes::new(outside), Routes::new(inside)]
}

fn with_metadata<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("text", MetadataValue::from_static("plain"));
    request.metadata_mut().insert_bin("bytes-bin", MetadataValue::from_bytes(&[1, 255]));
    request
}

fn names(name: &str) -> impl tokio_stream::Stream<Item = HelloRequest> + use<> {
    tokio_stream::iter([hello(name)])
}

fn assert_answered<T>(response: &Response<T>) {
    assert_eq!(response.metadata().get("answer").unwrap(), "42");
}

fn assert_fails(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not today"));
    assert_eq!(status.details(), [1, 2, 3]);
    assert_eq!(status.metadata().get("trailer").unwrap(), "last");
}

async fn last(replies: Response<Streaming<HelloReply>>) -> Status {
    assert_answered(&replies);
    let mut replies = replies.into_inner();
    loop {
        if let Err(status) = replies.message().await {
            return status;
        }
    }
}

#[test]
fn it_reaches_plain_code_and_comes_back() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (probe, mut reports) = Probe::new(&layer);
        for routes in routes(&layer, &probe) {
            let mut client = client_of(routes).await;
            assert_answered(&client.say_hello(with_metadata(hello("Ada"))).await.unwrap());
            assert_eq!(reports.recv().await.unwrap(), SEEN);
            assert_answered(&client.greet_all(with_metadata(names("Ada"))).await.unwrap());
            assert_eq!(reports.recv().await.unwrap(), SEEN);
            assert_eq!([reports.recv().await.unwrap(), reports.recv().await.unwrap()], ["Ada", "ended"]);
            assert_answered(&client.watch(with_metadata(hello("Ada"))).await.unwrap());
            assert_eq!(reports.recv().await.unwrap(), SEEN);
            assert_eq!(reports.recv().await.unwrap(), "stopped");
            assert_answered(&client.chat(with_metadata(names("Ada"))).await.unwrap());
            assert_eq!(reports.recv().await.unwrap(), SEEN);
            assert_eq!(reports.recv().await.unwrap(), "Ada");
            while reports.recv().await.unwrap() != "ended" {}
        }
        all_ended(&layer.handle()).await;
    });
}

#[test]
fn a_status_keeps_its_details_and_metadata() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (probe, _reports) = Probe::new(&layer);
        let mut client = client_of(probe.routes()).await;
        assert_fails(&client.say_hello(hello("fail")).await.unwrap_err());
        assert_fails(&client.greet_all(names("fail")).await.unwrap_err());
        assert_fails(&last(client.watch(hello("fail")).await.unwrap()).await);
        assert_fails(&last(client.chat(names("fail")).await.unwrap()).await);
        all_ended(&layer.handle()).await;
    });
}

#[test]
fn an_interceptor_can_refuse() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (probe, mut reports) = Probe::new(&layer);
        for routes in routes(&layer, &probe) {
            let mut client = client_of(routes).await;
            assert_eq!(client.say_hello(hello("Ada")).await.unwrap_err().code(), Code::Unauthenticated);
            assert_eq!(client.chat(names("Ada")).await.unwrap_err().code(), Code::Unauthenticated);
        }
        drop(probe);
        assert!(reports.try_recv().is_err(), "nothing was called");
        all_ended(&layer.handle()).await;
    });
}
