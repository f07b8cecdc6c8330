//! What `tonic-prost-build` generates from this file, in the same shape:
//!
//! ```proto
//! syntax = "proto3";
//! package squares;
//!
//! service Squares {
//!     rpc Square (Number) returns (Answer);
//! }
//! message Number { uint64 number = 1; }
//! message Answer { uint64 number = 1; uint64 square = 2; uint32 port = 3; }
//! ```

use std::{convert::Infallible, fmt};

use tonic::{
    Code, GrpcMethod, IntoRequest, Request, Response, Status,
    body::Body,
    client::{self, GrpcService},
    codegen::{
        Arc, Body as HttpBody, BoxFuture, Bytes, Context, Poll, Service, StdError, http, http::uri::PathAndQuery,
    },
    metadata::GRPC_CONTENT_TYPE,
    server::{self, NamedService, UnaryService},
};
use tonic_prost::ProstCodec;

/// A number to square. It also tells requests apart: whoever answers twice answers the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Number {
    /// The number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// The square of a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Answer {
    /// The number that was asked about.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Its square.
    #[prost(uint64, tag = "2")]
    pub square: u64,
    /// The port of the replica that answers.
    #[prost(uint32, tag = "3")]
    pub port: u32,
}

/// Calls the `Squares` service over `T`, for example a [`Channel`](tonic::transport::Channel).
#[derive(Clone, Debug)]
pub struct SquaresClient<T> {
    inner: client::Grpc<T>,
}

impl<T> SquaresClient<T>
where
    T: GrpcService<
            Body,
            Error: Into<StdError>,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >,
{
    /// A client that sends its calls to `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: client::Grpc::new(inner) }
    }

    /// Squares a number.
    ///
    /// # Errors
    ///
    /// The server's status, or one that says why the server could not be asked.
    pub async fn square(&mut self, request: impl IntoRequest<Number>) -> Result<Response<Answer>, Status> {
        self.inner.ready().await.map_err(|e| Status::unknown(format!("service was not ready: {}", e.into())))?;
        let mut request = request.into_request();
        request.extensions_mut().insert(GrpcMethod::new("squares.Squares", "Square"));
        let path = PathAndQuery::from_static("/squares.Squares/Square");
        self.inner.unary(request, path, ProstCodec::default()).await
    }
}

/// The service that has replicas.
#[tonic::async_trait]
pub trait Squares: Send + Sync + 'static {
    /// Squares a number.
    async fn square(&self, request: Request<Number>) -> Result<Response<Answer>, Status>;
}

/// Serves [`Squares`].
pub struct SquaresServer<T> {
    inner: Arc<T>,
}

impl<T> SquaresServer<T> {
    /// A server of `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl<T, B> Service<http::Request<B>> for SquaresServer<T>
where
    T: Squares,
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
            "/squares.Squares/Square" => {
                let method = Square(Arc::clone(&self.inner));
                Box::pin(async move { Ok(server::Grpc::new(ProstCodec::default()).unary(method, request).await) })
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

struct Square<T>(Arc<T>);

impl<T: Squares> UnaryService<Number> for Square<T> {
    type Response = Answer;
    type Future = BoxFuture<Response<Answer>, Status>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.square(request).await })
    }
}

impl<T> Clone for SquaresServer<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for SquaresServer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SquaresServer").finish_non_exhaustive()
    }
}

impl<T> NamedService for SquaresServer<T> {
    const NAME: &'static str = "squares.Squares";
}
