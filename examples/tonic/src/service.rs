//! The methods behind the generated trait, and how its server is mounted.

use tonic::{
    Request, Response, Status, Streaming,
    service::{LayerExt as _, Layered},
};
use tower_fiber::{FiberLayer, FiberService};

use crate::{
    business::Directory,
    methods::{Methods, Replies},
    proto::{Greeter, GreeterServer, HelloReply, HelloRequest},
};

/// A server whose synchronous code runs in fibers.
pub type FiberServer<T> = Layered<FiberService<GreeterServer<T>>, GreeterServer<T>>;

/// Mounts the greeter behind `layer`. `named_layer` keeps the gRPC name by which tonic routes.
pub fn server(layer: &FiberLayer, directory: impl Directory) -> FiberServer<Methods> {
    layer.named_layer(GreeterServer::new(Methods::new(layer, directory)))
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
