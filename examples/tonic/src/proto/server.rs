//! The server.

use std::{convert::Infallible, fmt};

use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    codegen::{Arc, Body as HttpBody, BoxFuture, Context, Poll, Service, StdError, http, tokio_stream::Stream},
    metadata::GRPC_CONTENT_TYPE,
    server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService},
};
use tonic_prost::ProstCodec;

use super::{HelloReply, HelloRequest};

/// The methods of the service `greeting.Greeter`.
#[tonic::async_trait]
pub trait Greeter: Send + Sync + 'static {
    /// Greets somebody by name.
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status>;

    /// Greets all of them at once.
    async fn greet_all(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status>;

    /// What [`watch`](Self::watch) answers.
    type WatchStream: Stream<Item = Result<HelloReply, Status>> + Send + 'static;

    /// Greets somebody again and again.
    async fn watch(&self, request: Request<HelloRequest>) -> Result<Response<Self::WatchStream>, Status>;

    /// What [`chat`](Self::chat) answers.
    type ChatStream: Stream<Item = Result<HelloReply, Status>> + Send + 'static;

    /// Greets each as they come.
    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Self::ChatStream>, Status>;
}

/// Serves a [`Greeter`].
pub struct GreeterServer<T> {
    inner: Arc<T>,
}

impl<T> GreeterServer<T> {
    /// A server of `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl<T, B> Service<http::Request<B>> for GreeterServer<T>
where
    T: Greeter,
    B: HttpBody<Error: Into<StdError> + Send> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        match request.uri().path() {
            "/greeting.Greeter/SayHello" => {
                let method = SayHello(Arc::clone(&self.inner));
                Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(method, request).await) })
            }
            "/greeting.Greeter/GreetAll" => {
                let method = GreetAll(Arc::clone(&self.inner));
                Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).client_streaming(method, request).await) })
            }
            "/greeting.Greeter/Watch" => {
                let method = Watch(Arc::clone(&self.inner));
                Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).server_streaming(method, request).await) })
            }
            "/greeting.Greeter/Chat" => {
                let method = Chat(Arc::clone(&self.inner));
                Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).streaming(method, request).await) })
            }
            _ => Box::pin(async {
                let mut response = http::Response::new(Body::default());
                let headers = response.headers_mut();
                headers.insert(Status::GRPC_STATUS, (Code::Unimplemented as i32).into());
                headers.insert(http::header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
                Ok(response)
            }),
        }
    }
}

struct SayHello<T>(Arc<T>);

impl<T: Greeter> UnaryService<HelloRequest> for SayHello<T> {
    type Response = HelloReply;
    type Future = BoxFuture<Response<HelloReply>, Status>;

    fn call(&mut self, request: Request<HelloRequest>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.say_hello(request).await })
    }
}

struct GreetAll<T>(Arc<T>);

impl<T: Greeter> ClientStreamingService<HelloRequest> for GreetAll<T> {
    type Response = HelloReply;
    type Future = BoxFuture<Response<HelloReply>, Status>;

    fn call(&mut self, request: Request<Streaming<HelloRequest>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.greet_all(request).await })
    }
}

struct Watch<T>(Arc<T>);

impl<T: Greeter> ServerStreamingService<HelloRequest> for Watch<T> {
    type Response = HelloReply;
    type ResponseStream = T::WatchStream;
    type Future = BoxFuture<Response<T::WatchStream>, Status>;

    fn call(&mut self, request: Request<HelloRequest>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.watch(request).await })
    }
}

struct Chat<T>(Arc<T>);

impl<T: Greeter> StreamingService<HelloRequest> for Chat<T> {
    type Response = HelloReply;
    type ResponseStream = T::ChatStream;
    type Future = BoxFuture<Response<T::ChatStream>, Status>;

    fn call(&mut self, request: Request<Streaming<HelloRequest>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.chat(request).await })
    }
}

impl<T> Clone for GreeterServer<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for GreeterServer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreeterServer").finish_non_exhaustive()
    }
}

impl<T> NamedService for GreeterServer<T> {
    const NAME: &'static str = "greeting.Greeter";
}
