//! The methods behind the generated trait, and how its server is mounted.

use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::http,
    service::{LayerExt as _, Layered},
};
use tower::util::{MapRequest, MapRequestLayer};
use tower_fiber::{FiberLayer, FiberService};

use crate::{
    business::Directory,
    cut_off,
    methods::{Methods, Replies},
    proto::{Greeter, GreeterServer, HelloReply, HelloRequest},
};

/// A server whose synchronous code runs in fibers.
pub type FiberServer<T> = Layered<FiberService<MapRequest<GreeterServer<T>, OnRequest>>, GreeterServer<T>>;
/// What is done to each request.
pub type OnRequest = fn(http::Request<Body>) -> http::Request<Body>;

/// Serves people of `directory` behind `layer`.
pub fn server(layer: &FiberLayer, directory: impl Directory) -> FiberServer<Methods> {
    mount(layer, Methods::new(layer, directory))
}

/// Mounts a greeter behind `layer`. `named_layer` keeps the gRPC name by which tonic routes.
pub fn mount<T: Greeter>(layer: &FiberLayer, greeter: T) -> FiberServer<T> {
    // `layer.named_layer(server)` is enough where no client streams.
    (layer.clone(), MapRequestLayer::new(cut_off::is_an_error as OnRequest)).named_layer(GreeterServer::new(greeter))
}

/// Nothing is awaited: the plain methods, which wait in the call's fiber.
#[tonic::async_trait]
impl Greeter for Methods {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.say_hello(&request)
    }

    async fn greet_all(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status> {
        self.greet_all(request)
    }

    type WatchStream = Replies;

    async fn watch(&self, request: Request<HelloRequest>) -> Result<Response<Replies>, Status> {
        Ok(self.watch(request))
    }

    type ChatStream = Replies;

    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        Ok(self.chat(request))
    }
}
