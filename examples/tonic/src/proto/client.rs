//! The client.

use tonic::{
    GrpcMethod, IntoRequest, Response, Status,
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
        self.inner.ready().await.map_err(|e| Status::unknown(format!("service was not ready: {}", e.into())))?;
        let mut request = request.into_request();
        request.extensions_mut().insert(GrpcMethod::new("greeting.Greeter", "SayHello"));
        let path = PathAndQuery::from_static("/greeting.Greeter/SayHello");
        self.inner.unary(request, path, ProstCodec::default()).await
    }
}
