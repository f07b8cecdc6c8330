//! The client.

use tonic::{
    GrpcMethod, IntoRequest, IntoStreamingRequest, Response, Status, Streaming,
    body::Body,
    client::{Grpc, GrpcService},
    codegen::{Body as HttpBody, Bytes, StdError, http::uri::PathAndQuery},
};
use tonic_prost::ProstCodec;

use super::{HelloReply, HelloRequest};

/// Calls the `Greeter` service over `T`, for example a [`Channel`](tonic::transport::Channel).
#[derive(Clone, Debug)]
pub struct GreeterClient<T> {
    inner: Grpc<T>,
}

impl<T> GreeterClient<T>
where
    T: GrpcService<
            Body,
            Error: Into<StdError>,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >,
{
    /// A client that sends its calls to `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: Grpc::new(inner) }
    }

    /// The unary call `SayHello`.
    ///
    /// # Errors
    ///
    /// The server's status, or one that says why the server could not be asked.
    pub async fn say_hello(&mut self, request: impl IntoRequest<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.ready().await?;
        let mut request = request.into_request();
        request.extensions_mut().insert(GrpcMethod::new("greeting.Greeter", "SayHello"));
        let path = PathAndQuery::from_static("/greeting.Greeter/SayHello");
        self.inner.unary(request, path, ProstCodec::default()).await
    }

    /// The client-streaming call `GreetAll`.
    ///
    /// # Errors
    ///
    /// As [`say_hello`](Self::say_hello).
    pub async fn greet_all(
        &mut self,
        request: impl IntoStreamingRequest<Message = HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        self.ready().await?;
        let mut request = request.into_streaming_request();
        request.extensions_mut().insert(GrpcMethod::new("greeting.Greeter", "GreetAll"));
        let path = PathAndQuery::from_static("/greeting.Greeter/GreetAll");
        self.inner.client_streaming(request, path, ProstCodec::default()).await
    }

    /// The server-streaming call `Watch`.
    ///
    /// # Errors
    ///
    /// As [`say_hello`](Self::say_hello).
    pub async fn watch(
        &mut self,
        request: impl IntoRequest<HelloRequest>,
    ) -> Result<Response<Streaming<HelloReply>>, Status> {
        self.ready().await?;
        let mut request = request.into_request();
        request.extensions_mut().insert(GrpcMethod::new("greeting.Greeter", "Watch"));
        let path = PathAndQuery::from_static("/greeting.Greeter/Watch");
        self.inner.server_streaming(request, path, ProstCodec::default()).await
    }

    /// The bidirectional call `Chat`.
    ///
    /// # Errors
    ///
    /// As [`say_hello`](Self::say_hello).
    pub async fn chat(
        &mut self,
        request: impl IntoStreamingRequest<Message = HelloRequest>,
    ) -> Result<Response<Streaming<HelloReply>>, Status> {
        self.ready().await?;
        let mut request = request.into_streaming_request();
        request.extensions_mut().insert(GrpcMethod::new("greeting.Greeter", "Chat"));
        let path = PathAndQuery::from_static("/greeting.Greeter/Chat");
        self.inner.streaming(request, path, ProstCodec::default()).await
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.inner.ready().await.map_err(|e| Status::unknown(format!("service was not ready: {}", e.into())))
    }
}
