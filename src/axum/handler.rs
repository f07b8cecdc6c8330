//! [`fiber`]: a plain function as a [`Handler`].

use std::{
    any::type_name,
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{extract::Request, handler::Handler, response::Response};

use super::{
    SyncHandler,
    future::{Begin, HandlerFuture},
};
use crate::{
    FiberLayer,
    call::Call,
    raw::{Exit, Job, Ticket},
    settings::Settings,
};

/// Makes an axum [`Handler`] of a plain function.
///
/// The function takes 0 to 16 extractors (the last may be a [`FromRequest`](axum::extract::FromRequest), the others are
/// [`FromRequestParts`](axum::extract::FromRequestParts)) and returns anything that is
/// [`IntoResponse`](axum::response::IntoResponse), also a `Result`. It may wait by
/// [`await_in_fiber`](crate::await_in_fiber). Extraction is ordinary async code and is done before a stack is taken.
///
/// All defaults apply, as for [`FiberLayer::new`]; [`fiber_with`] takes a layer with settings. axum's
/// `#[debug_handler]` is for async functions and refuses plain ones.
///
/// # Cancel safety
///
/// When the client goes while the function waits, the function runs to its end in the background
/// ([`OnDrop::Finish`](crate::OnDrop::Finish)).
///
/// # Panics
///
/// The handler's future panics if the function does, with the same payload, and outside a tokio runtime.
///
/// # Examples
///
/// ```
/// use axum::{Json, Router, extract::Query, routing::get};
/// use serde_json::{Value, json};
/// use tower_fiber::{WaitExt as _, axum::fiber};
///
/// fn sum(Query(terms): Query<Vec<(String, i64)>>) -> Json<Value> {
///     let sum: i64 = terms.iter().map(|(_, n)| async { *n }.wait()).sum();
///     Json(json!({ "sum": sum }))
/// }
///
/// let app: Router = Router::new().route("/sum", get(fiber(sum)));
/// ```
pub fn fiber<F, T, S>(f: F) -> FiberHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    fiber_with(&FiberLayer::new(), f)
}

/// Makes an axum [`Handler`] of a plain function that runs with the settings of `layer`, whose name and counters it shares.
///
/// # Cancel safety
///
/// As the layer's [`OnDrop`](crate::OnDrop) says.
///
/// # Panics
///
/// As [`fiber`].
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::{FiberLayer, axum::fiber_with};
///
/// let layer = FiberLayer::builder().name("pages").stack_size(256 * 1024).build()?;
/// let app: Router = Router::new().route("/", get(fiber_with(&layer, || "hello")));
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
pub fn fiber_with<F, T, S>(layer: &FiberLayer, f: F) -> FiberHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    FiberHandler { f, settings: Arc::clone(layer.settings()), arguments: PhantomData }
}

/// The handler of [`fiber`] and [`fiber_with`].
pub struct FiberHandler<F, T, S> {
    f: F,
    settings: Arc<Settings>,
    arguments: PhantomData<fn(T, S)>,
}

impl<F, T, S> Unpin for FiberHandler<F, T, S> {}

impl<F: Clone, T, S> Clone for FiberHandler<F, T, S> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), settings: Arc::clone(&self.settings), arguments: PhantomData }
    }
}

impl<F, T, S> fmt::Debug for FiberHandler<F, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberHandler").field("f", &type_name::<F>()).field("layer", &self.settings.meta.name).finish()
    }
}

impl<F, T, S> Handler<T, S> for FiberHandler<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: Send + Sync + 'static,
{
    type Future = HandlerFuture<Self, T, S>;

    #[inline]
    fn call(self, request: Request, state: S) -> Self::Future {
        HandlerFuture::new(self, request, state)
    }
}

impl<F, T, S> Begin<T, S> for FiberHandler<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: 'static,
{
    type Function = F;
    type Running = Running<F, T, S>;

    #[inline]
    fn begin(self, arguments: F::Arguments) -> Running<F, T, S> {
        let function = Function { f: self.f, arguments, types: PhantomData };
        Running { call: Call::new(function, Ticket::default(), &self.settings, type_name::<F>()) }
    }
}

/// The function with its arguments, on its way into a fiber.
struct Function<F: SyncHandler<T, S>, T, S> {
    f: F,
    arguments: F::Arguments,
    types: PhantomData<fn(T, S)>,
}

impl<F, T, S> Job for Function<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: 'static,
{
    type Root = Infallible;
    type Output = Response;

    fn start(self, exit: Exit<'_, Self>) {
        exit.done(self.f.call(self.arguments));
    }

    fn resume(root: Infallible, _: Exit<'_, Self>) {
        match root {}
    }
}

/// The function in its fiber.
pub struct Running<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: 'static,
{
    call: Call<Function<F, T, S>>,
}

impl<F, T, S> Future for Running<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: 'static,
{
    type Output = Response;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        Pin::new(&mut self.call).poll(cx)
    }
}

impl<F, T, S> fmt::Debug for Running<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("name", &self.call.name()).finish_non_exhaustive()
    }
}
