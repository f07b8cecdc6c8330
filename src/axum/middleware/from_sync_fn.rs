//! [`from_sync_fn`]: middleware from a synchronous function.

use std::{
    any::type_name,
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;

use super::{Next, SyncMiddleware};
use crate::{
    axum::{FiberHandler, SyncHandler, defaults::OfLayer, future::HandlerFuture, sync_handler::sealed},
    layer::FiberLayer,
};

/// Makes axum middleware from a synchronous function: the counterpart of `axum::middleware::from_fn`, in which
/// `next.run(request)` is a synchronous call.
///
/// The function takes 0 to 15 [`FromRequestParts`](axum::extract::FromRequestParts) extractors, one
/// [`FromRequest`](axum::extract::FromRequest) extractor (most often the [`Request`] itself), and [`Next`], and returns
/// any [`IntoResponse`] type. It runs in a fiber and may wait. While it waits, including in `next.run`, the thread
/// serves other requests.
///
/// # Context
///
/// Pass values to the code below in an [extension](axum::http::Extensions) of the request:
///
/// ```
/// # use axum::{extract::Request, response::Response};
/// # use tower_fiber::axum::Next;
/// # #[derive(Clone)]
/// # struct User(String);
/// fn authenticate(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(User("Ada".to_owned())); // below: `Extension(user): Extension<User>`
///     next.run(request)
/// }
/// ```
///
/// For code below that reads a task-local, an async middleware (`from_fn`) sets it by `KEY.scope(value,
/// next.run(request)).await`. Do not put a scope around `next.run` here (`KEY.sync_scope(value, ||
/// next.run(request))`): the value stays on the thread during the wait, and other requests read it. If the layer given
/// to [`from_sync_fn_with`] [carries](crate::FiberLayerBuilder::carry) the key, that is impossible: the wait is
/// refused, or, where the request's task already had a value, the fiber keeps its own. For other keys the
/// [lint](crate::docs::insight) names the scope. The [servers chapter](crate::docs::servers#scopes-in-middleware) has
/// an example.
///
/// # Cancel safety
///
/// When the client disconnects, the function runs to its end in the background
/// ([`OnDrop::Finish`](crate::OnDrop::Finish)). [`from_sync_fn_with`] takes a layer with another policy, and
/// [`fiber_defaults`](crate::axum::fiber_defaults) gives one to all.
///
/// The policy is that of the function alone. The handlers and middleware below keep theirs: async ones are dropped,
/// synchronous ones do what their own layer says, and [`Next::run`] returns a response that tells the function so.
///
/// # Panics
///
/// The response future panics outside a tokio runtime, and if the function or the code below it panics, with the same
/// payload.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::Request, http::StatusCode, response::{IntoResponse as _, Response}, routing::get};
/// use tower_fiber::{WaitExt as _, axum::{Next, from_sync_fn}};
///
/// /// What a legacy code base has.
/// trait Users {
///     fn find(&self, token: &str) -> Option<String>;
/// }
///
/// struct Database;
///
/// impl Users for Database {
///     fn find(&self, token: &str) -> Option<String> {
///         let query = async { (token == "secret").then(|| "Ada".to_owned()) };
///         query.wait()
///     }
/// }
///
/// fn authenticate(mut request: Request, next: Next) -> Response {
///     let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
///     match token.and_then(|token| Database.find(token)) {
///         Some(user) => {
///             request.extensions_mut().insert(user);
///             let mut response = next.run(request);
///             response.headers_mut().insert("cache-control", "private".parse().unwrap());
///             response
///         }
///         None => StatusCode::UNAUTHORIZED.into_response(),
///     }
/// }
///
/// let app: Router = Router::new().route("/", get(async || "hello")).layer(from_sync_fn(authenticate));
/// ```
pub fn from_sync_fn<F, T>(f: F) -> FromSyncFnLayer<F, (), T>
where
    F: SyncMiddleware<T, ()>,
{
    FromSyncFnLayer::new(f, (), None)
}

/// Like [`from_sync_fn`], but with the settings of `layer`, whose name and counters it shares.
///
/// # Examples
///
/// If the function also needs state, a closure supplies it:
///
/// ```
/// use axum::{Router, extract::{Request, State}, response::Response, routing::get};
/// use tower_fiber::{FiberLayer, axum::{Next, from_sync_fn_with}};
///
/// fn greet(State(name): State<String>, request: Request, next: Next) -> Response {
///     let mut response = next.run(request);
///     response.headers_mut().insert("x-server", name.parse().unwrap());
///     response
/// }
///
/// let layer = FiberLayer::builder().name("greetings").stack_size(256 * 1024).build()?;
/// let name = State("shop".to_owned());
/// let greet = from_sync_fn_with(&layer, move |request: Request, next: Next| greet(name.clone(), request, next));
/// let app: Router = Router::new().route("/", get(async || "hello")).layer(greet);
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
pub fn from_sync_fn_with<F, T>(layer: &FiberLayer, f: F) -> FromSyncFnLayer<F, (), T>
where
    F: SyncMiddleware<T, ()>,
{
    FromSyncFnLayer::new(f, (), Some(layer))
}

/// Like [`from_sync_fn`], for functions with the extractor [`State`](axum::extract::State).
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::{Request, State}, response::Response, routing::get};
/// use tower_fiber::axum::{Next, from_sync_fn_with_state};
///
/// fn greet(State(name): State<String>, request: Request, next: Next) -> Response {
///     let mut response = next.run(request);
///     response.headers_mut().insert("x-server", name.parse().unwrap());
///     response
/// }
///
/// let app: Router =
///     Router::new().route("/", get(async || "hello")).layer(from_sync_fn_with_state("shop".to_owned(), greet));
/// ```
pub fn from_sync_fn_with_state<F, S, T>(state: S, f: F) -> FromSyncFnLayer<F, S, T>
where
    F: SyncMiddleware<T, S>,
{
    FromSyncFnLayer::new(f, state, None)
}

/// The layer of [`from_sync_fn`], [`from_sync_fn_with`] and [`from_sync_fn_with_state`].
#[must_use = "a layer does nothing until it is applied"]
pub struct FromSyncFnLayer<F, S, T> {
    f: F,
    state: S,
    fibers: FiberLayer,
    /// Whether settings that the request brings take the place of these.
    is_default: bool,
    arguments: PhantomData<fn(T)>,
}

impl<F, S, T> FromSyncFnLayer<F, S, T> {
    fn new(f: F, state: S, layer: Option<&FiberLayer>) -> Self {
        let fibers = layer.cloned().unwrap_or_default();
        Self { f, state, fibers, is_default: layer.is_none(), arguments: PhantomData }
    }

    fn settings_for(&self, request: &Request) -> OfLayer {
        let of_request = if self.is_default { OfLayer::of_request(request) } else { None };
        of_request.unwrap_or_else(|| OfLayer::new(&self.fibers))
    }
}

impl<F: Clone, S: Clone, T> Clone for FromSyncFnLayer<F, S, T> {
    fn clone(&self) -> Self {
        let Self { f, state, fibers, is_default, .. } = self;
        let (f, state, fibers) = (f.clone(), state.clone(), fibers.clone());
        Self { f, state, fibers, is_default: *is_default, arguments: PhantomData }
    }
}

impl<F, S, T> fmt::Debug for FromSyncFnLayer<F, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromSyncFnLayer")
            .field("f", &type_name::<F>())
            .field("fibers", &self.fibers)
            .finish_non_exhaustive()
    }
}

impl<F: Clone, S: Clone, T, I> Layer<I> for FromSyncFnLayer<F, S, T> {
    type Service = FromSyncFn<F, S, T, I>;

    fn layer(&self, inner: I) -> Self::Service {
        FromSyncFn { layer: self.clone(), inner }
    }
}

/// The service of [`FromSyncFnLayer`].
#[must_use = "services do nothing unless called"]
pub struct FromSyncFn<F, S, T, I> {
    layer: FromSyncFnLayer<F, S, T>,
    inner: I,
}

impl<F: Clone, S: Clone, T, I: Clone> Clone for FromSyncFn<F, S, T, I> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), inner: self.inner.clone() }
    }
}

impl<F, S, T, I: fmt::Debug> fmt::Debug for FromSyncFn<F, S, T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromSyncFn").field("layer", &self.layer).field("inner", &self.inner).finish()
    }
}

impl<F, S, T, I> Service<Request> for FromSyncFn<F, S, T, I>
where
    F: SyncMiddleware<T, S>,
    S: Clone + Send + Sync + 'static,
    T: 'static,
    I: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = MiddlewareFuture<F, S, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Only the instance that was polled ready may be called; a clone of it is not ready.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone).map_response(IntoResponse::into_response as fn(_) -> _);
        let next = Next::new(inner);
        let handler = FiberHandler::of(self.layer.settings_for(&request), Before { f: self.layer.f.clone(), next });
        MiddlewareFuture { handler: HandlerFuture::new(handler, request, self.layer.state.clone()) }
    }
}

/// The future of [`FromSyncFn`].
#[must_use = "futures do nothing unless polled"]
pub struct MiddlewareFuture<F: SyncMiddleware<T, S>, S: 'static, T: 'static> {
    handler: HandlerFuture<FiberHandler<Before<F>, T, S, OfLayer>, T, S>,
}

impl<F: SyncMiddleware<T, S>, S: 'static, T: 'static> Future for MiddlewareFuture<F, S, T> {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handler).poll(cx).map(Ok)
    }
}

impl<F: SyncMiddleware<T, S>, S: 'static, T: 'static> fmt::Debug for MiddlewareFuture<F, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewareFuture").field("handler", &self.handler).finish()
    }
}

/// A middleware function together with the rest of the stack below it.
#[derive(Clone)]
struct Before<F> {
    f: F,
    next: Next,
}

impl<F, T> sealed::Sealed<T> for Before<F> {}

impl<F: SyncMiddleware<T, S>, T, S> SyncHandler<T, S> for Before<F> {
    type Marker = F::Marker;
    type Arguments = F::Arguments;

    fn call(self, arguments: F::Arguments) -> Response {
        self.f.call(arguments, self.next)
    }
}
