//! What `tonic-prost-build` generates from this file, in the same shape:
//!
//! ```proto
//! syntax = "proto3";
//! package decisions;
//!
//! service Decisions {
//!     rpc Decide (Question) returns (Decision);
//! }
//! message Question { string who = 1; string what = 2; }
//! message Decision { bool allowed = 1; }
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

/// Asks whether somebody may do something.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Question {
    /// Who wants to.
    #[prost(string, tag = "1")]
    pub who: String,
    /// What is wanted.
    #[prost(string, tag = "2")]
    pub what: String,
}

/// The answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Decision {
    /// Whether it is allowed.
    #[prost(bool, tag = "1")]
    pub allowed: bool,
}

/// Calls the `Decisions` service over `T`, for example a [`Channel`](tonic::transport::Channel).
#[derive(Clone, Debug)]
pub struct DecisionsClient<T> {
    inner: client::Grpc<T>,
}

impl<T> DecisionsClient<T>
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

    /// Decides one question.
    ///
    /// # Errors
    ///
    /// The server's status, or one that says why the server could not be asked.
    pub async fn decide(&mut self, request: impl IntoRequest<Question>) -> Result<Response<Decision>, Status> {
        self.inner.ready().await.map_err(|e| Status::unknown(format!("service was not ready: {}", e.into())))?;
        let mut request = request.into_request();
        request.extensions_mut().insert(GrpcMethod::new("decisions.Decisions", "Decide"));
        let path = PathAndQuery::from_static("/decisions.Decisions/Decide");
        self.inner.unary(request, path, ProstCodec::default()).await
    }
}

/// The service that decides.
#[tonic::async_trait]
pub trait Decisions: Send + Sync + 'static {
    /// Decides one question.
    async fn decide(&self, request: Request<Question>) -> Result<Response<Decision>, Status>;
}

/// Serves [`Decisions`].
pub struct DecisionsServer<T> {
    inner: Arc<T>,
}

impl<T> DecisionsServer<T> {
    /// A server of `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl<T, B> Service<http::Request<B>> for DecisionsServer<T>
where
    T: Decisions,
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
            "/decisions.Decisions/Decide" => {
                let method = Decide(Arc::clone(&self.inner));
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

struct Decide<T>(Arc<T>);

impl<T: Decisions> UnaryService<Question> for Decide<T> {
    type Response = Decision;
    type Future = BoxFuture<Response<Decision>, Status>;

    fn call(&mut self, request: Request<Question>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.decide(request).await })
    }
}

impl<T> Clone for DecisionsServer<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for DecisionsServer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionsServer").finish_non_exhaustive()
    }
}

impl<T> NamedService for DecisionsServer<T> {
    const NAME: &'static str = "decisions.Decisions";
}
