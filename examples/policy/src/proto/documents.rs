//! What `tonic-prost-build` generates from this file, in the same shape:
//!
//! ```proto
//! syntax = "proto3";
//! package documents;
//!
//! service Documents {
//!     rpc Read (ReadRequest) returns (Document);
//! }
//! message ReadRequest { string name = 1; }
//! message Document { string text = 1; }
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

/// Asks for a document.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ReadRequest {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A document.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Document {
    /// What is in it.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// Calls the `Documents` service over `T`, for example a [`Channel`](tonic::transport::Channel).
#[derive(Clone, Debug)]
pub struct DocumentsClient<T> {
    inner: client::Grpc<T>,
}

impl<T> DocumentsClient<T>
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

    /// Gives a document to whoever may read it.
    ///
    /// # Errors
    ///
    /// The server's status, or one that says why the server could not be asked.
    pub async fn read(&mut self, request: impl IntoRequest<ReadRequest>) -> Result<Response<Document>, Status> {
        self.inner.ready().await.map_err(|e| Status::unknown(format!("service was not ready: {}", e.into())))?;
        let mut request = request.into_request();
        request.extensions_mut().insert(GrpcMethod::new("documents.Documents", "Read"));
        let path = PathAndQuery::from_static("/documents.Documents/Read");
        self.inner.unary(request, path, ProstCodec::default()).await
    }
}

/// The service that is guarded.
#[tonic::async_trait]
pub trait Documents: Send + Sync + 'static {
    /// Gives a document to whoever may read it.
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Document>, Status>;
}

/// Serves [`Documents`].
pub struct DocumentsServer<T> {
    inner: Arc<T>,
}

impl<T> DocumentsServer<T> {
    /// A server of `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl<T, B> Service<http::Request<B>> for DocumentsServer<T>
where
    T: Documents,
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
            "/documents.Documents/Read" => {
                let method = Read(Arc::clone(&self.inner));
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

struct Read<T>(Arc<T>);

impl<T: Documents> UnaryService<ReadRequest> for Read<T> {
    type Response = Document;
    type Future = BoxFuture<Response<Document>, Status>;

    fn call(&mut self, request: Request<ReadRequest>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.read(request).await })
    }
}

impl<T> Clone for DocumentsServer<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for DocumentsServer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentsServer").finish_non_exhaustive()
    }
}

impl<T> NamedService for DocumentsServer<T> {
    const NAME: &'static str = "documents.Documents";
}
