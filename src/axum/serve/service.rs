//! [`Requests`]: passes the requests of one connection on to the app.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    http::{Request as HttpRequest, header::CONTENT_TYPE},
    response::Response,
};
use tokio::sync::Notify;
use tower_service::Service;

use super::{
    body::{Arriving, Sent},
    state::{CountedRequest, Server},
};

#[derive(Clone)]
pub(super) struct Requests<S, A> {
    pub(super) app: S,
    pub(super) client: A,
    pub(super) server: Arc<Server>,
    pub(super) body_timeout: Duration,
    /// Told of the connection's first request.
    pub(super) first: Arc<Notify>,
}

impl<S, A, B> Service<HttpRequest<B>> for Requests<S, A>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
    A: Clone + Send + Sync + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.app.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        self.first.notify_one();
        let counted = CountedRequest::new(&self.server);
        let mut request = request.map(|body| Body::new(Arriving::new(body, self.body_timeout)));
        request.extensions_mut().insert(ConnectInfo(self.client.clone()));
        request.extensions_mut().insert(self.server.stopping());
        let answer = self.app.call(request);
        Box::pin(async move { answer.await.map(|response| watched(response, counted)) })
    }
}

fn watched(response: Response, request: CountedRequest) -> Response {
    #[cfg(feature = "ws")]
    if let Some(websocket) = response.extensions().get::<crate::axum::ws::Upgrading>() {
        websocket.belongs_to(super::state::OpenWebSocket::new(request.server()));
    }
    if response.body().size_hint().exact().is_some() {
        // hyper has all of it.
        return response;
    }
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    let is_event_stream = content_type.is_some_and(|value| value.starts_with(b"text/event-stream"));
    response.map(|body| Body::new(Sent::new(body, is_event_stream, request)))
}
