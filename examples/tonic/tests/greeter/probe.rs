//! A greeter that reports what its plain code sees.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tonic::{Request, Response, Status, Streaming, server::Grpc, service::Routes};
use tonic_example::{
    functions,
    proto::{Greeter, HelloReply, HelloRequest},
    service::mount,
};
use tonic_prost::ProstCodec;
use tower::Layer as _;
use tower_fiber::{
    FiberLayer, WaitExt as _, caller_gone,
    stream::{FiberIter, FiberStream, Yielder, fiber_stream_with},
    sync_fn, until_caller_gone,
};

/// How long each reply of [`Probe::watch`] is.
pub(crate) const REPLY: usize = 64 * 1024;

pub(crate) type Reply = Result<HelloReply, Status>;

/// Reports, in order.
#[derive(Clone)]
pub(crate) struct Probe {
    layer: FiberLayer,
    report: UnboundedSender<String>,
    /// How many replies `watch` has given away.
    pub(crate) given: Arc<AtomicU64>,
}

/// What interceptors put into a request.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) &'static str);

impl Probe {
    pub(crate) fn new(layer: &FiberLayer) -> (Self, UnboundedReceiver<String>) {
        let (report, reports) = mpsc::unbounded_channel();
        (Self { layer: layer.clone(), report, given: Arc::default() }, reports)
    }

    pub(crate) fn routes(&self) -> Routes {
        Routes::new(mount(&self.layer, self.clone()))
    }

    /// `greet_all` alone, as a single function.
    pub(crate) fn function(&self) -> Routes {
        let probe = self.clone();
        let greet_all = self.layer.layer(sync_fn(move |request: Request<Streaming<HelloRequest>>| {
            probe.report(seen(&request));
            probe.read(request.into_inner(), drop);
            Ok(Response::new(HelloReply::default()))
        }));
        let service = functions::mount(greet_all, |f, request| async {
            let mut grpc = Grpc::new(ProstCodec::<HelloReply, HelloRequest>::default());
            grpc.client_streaming(f, request).await
        });
        Routes::default().into_axum_router().route_service("/greeting.Greeter/GreetAll", service).into()
    }

    fn report(&self, text: impl Into<String>) {
        self.report.send(text.into()).unwrap();
    }

    /// Reads all that the client sends, then waits until the client is known to have gone if that ended badly.
    fn read(&self, requests: Streaming<HelloRequest>, mut each: impl FnMut(String)) {
        for request in FiberIter::new(requests) {
            match request {
                Ok(request) => {
                    self.report(&request.name);
                    each(request.name);
                }
                Err(status) => {
                    self.report(format!("failed: {:?}", status.code()));
                    until_caller_gone().wait();
                    assert!(caller_gone());
                    return self.report("gone");
                }
            }
        }
        self.report("ended");
    }

    fn produce(&self, y: &mut Yielder<Reply>) {
        while y.send(Ok(HelloReply { message: "x".repeat(REPLY) })).is_ok() {
            self.given.fetch_add(1, Ordering::Relaxed);
        }
        assert!(caller_gone());
        self.report("stopped");
    }
}

/// What a call brings, as text.
fn seen<T>(request: &Request<T>) -> String {
    let caller = request.extensions().get::<Caller>().map(|caller| caller.0);
    let (text, bytes) = (request.metadata().get("text"), request.metadata().get_bin("bytes-bin"));
    format!("{caller:?} {text:?} {:?}", bytes.map(|bytes| bytes.to_bytes().unwrap()))
}

/// What a call answers, with metadata.
fn with_metadata<T>(answer: T) -> Response<T> {
    let mut response = Response::new(answer);
    response.metadata_mut().insert("answer", "42".parse().unwrap());
    response
}

/// The status that names beginning with `fail` get.
fn failure() -> Status {
    let mut status = Status::with_details(tonic::Code::FailedPrecondition, "not today", vec![1, 2, 3].into());
    status.metadata_mut().insert("trailer", "last".parse().unwrap());
    status
}

#[tonic::async_trait]
impl Greeter for Probe {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.report(seen(&request));
        match &*request.get_ref().name {
            "fail" => Err(failure()),
            name => Ok(with_metadata(HelloReply { message: name.to_owned() })),
        }
    }

    async fn greet_all(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status> {
        self.report(seen(&request));
        let mut names = Vec::new();
        self.read(request.into_inner(), |name| names.push(name));
        match &names[..] {
            [name] if name == "fail" => Err(failure()),
            [name] if name == "panic" => panic!("a bug in greet_all"),
            names => Ok(with_metadata(HelloReply { message: names.join(" ") })),
        }
    }

    type WatchStream = FiberStream<Reply>;

    async fn watch(&self, request: Request<HelloRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.report(seen(&request));
        let probe = self.clone();
        let replies = fiber_stream_with(&self.layer, move |y: &mut Yielder<Reply>| {
            match &*request.get_ref().name {
                "fail" => return Err(failure()),
                "panic" => {
                    _ = y.send(Ok(HelloReply::default()));
                    panic!("a bug in watch")
                }
                _ => probe.produce(y),
            }
            Ok(())
        });
        Ok(with_metadata(replies))
    }

    type ChatStream = FiberStream<Reply>;

    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Self::ChatStream>, Status> {
        self.report(seen(&request));
        let probe = self.clone();
        let replies = fiber_stream_with(&self.layer, move |y: &mut Yielder<Reply>| {
            let mut failed = false;
            probe.read(request.into_inner(), |name| {
                assert_ne!(name, "panic", "a bug in chat");
                failed |= name == "fail";
                _ = y.send(Ok(HelloReply { message: name }));
            });
            if failed { Err(failure()) } else { Ok(()) }
        });
        Ok(with_metadata(replies))
    }
}
