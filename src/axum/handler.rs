//! [`fiber`]: a synchronous function as a [`Handler`].

use std::{
    any::type_name,
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use axum::{extract::Request, handler::Handler, response::Response};

use super::{
    SyncHandler,
    defaults::{Defaults, HandlerSettings, OfLayer},
    future::{Begin, HandlerFuture, sealed},
};
use crate::{
    call::Call,
    layer::FiberLayer,
    raw::{Exit, Job},
};

/// Makes an axum [`Handler`] from a synchronous function.
///
/// The function takes 0 to 16 extractors (the last may be a [`FromRequest`](axum::extract::FromRequest), the others are
/// [`FromRequestParts`](axum::extract::FromRequestParts)) and returns any
/// [`IntoResponse`](axum::response::IntoResponse) type, including a `Result`. It may wait with
/// [`await_in_fiber`](crate::await_in_fiber). Ordinary async code extracts the arguments before a stack is taken.
///
/// The settings are those of [`fiber_defaults`](super::fiber_defaults) around it, or else the defaults, as with
/// [`FiberLayer::new`]; [`fiber_with`] takes a layer with settings. axum's `#[debug_handler]` accepts only async
/// functions.
///
/// # Cancel safety
///
/// When the client disconnects while the function waits, the function runs to its end in the background
/// ([`OnDrop::Finish`](crate::OnDrop::Finish)), unless the settings say otherwise.
///
/// # Panics
///
/// The handler's future panics outside a tokio runtime, and if the function panics, with the same payload.
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
    FiberHandler { f, settings: Defaults, arguments: PhantomData }
}

/// Like [`fiber`], but with the settings of `layer`, whose name and counters it shares. The layer's
/// [`OnDrop`](crate::OnDrop) decides what happens when the client disconnects.
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
pub fn fiber_with<F, T, S>(layer: &FiberLayer, f: F) -> FiberHandler<F, T, S, OfLayer>
where
    F: SyncHandler<T, S>,
{
    FiberHandler::of(OfLayer::new(layer), f)
}

/// The handler that [`fiber`] and [`fiber_with`] return; `L` says whether it has a layer's settings. Write `impl
/// Handler<T, S>` as the return type of a function that returns one.
#[must_use = "handlers do nothing unless routed to"]
pub struct FiberHandler<F, T, S, L = Defaults> {
    f: F,
    settings: L,
    arguments: PhantomData<fn(T, S)>,
}

impl<F, T, S> FiberHandler<F, T, S, OfLayer> {
    pub(super) fn of(settings: OfLayer, f: F) -> Self {
        Self { f, settings, arguments: PhantomData }
    }
}

impl<F, T, S, L> Unpin for FiberHandler<F, T, S, L> {}

impl<F: Clone, T, S, L: Clone> Clone for FiberHandler<F, T, S, L> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), settings: self.settings.clone(), arguments: PhantomData }
    }
}

impl<F, T, S, L: HandlerSettings> fmt::Debug for FiberHandler<F, T, S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = &OfLayer::or_defaults(self.settings.layer()).shared.name;
        f.debug_struct("FiberHandler").field("f", &type_name::<F>()).field("layer", layer).finish()
    }
}

impl<F, T, S, L> Handler<T, S> for FiberHandler<F, T, S, L>
where
    F: SyncHandler<T, S>,
    L: HandlerSettings,
    T: 'static,
    S: Send + Sync + 'static,
{
    type Future = HandlerFuture<Self, T, S>;

    #[inline]
    fn call(self, request: Request, state: S) -> Self::Future {
        HandlerFuture::new(self, request, state)
    }
}

impl<F, T, S, L> sealed::Sealed for FiberHandler<F, T, S, L> {}

impl<F, T, S, L> Begin<T, S> for FiberHandler<F, T, S, L>
where
    F: SyncHandler<T, S>,
    L: HandlerSettings,
    T: 'static,
    S: 'static,
{
    type Function = F;
    type Running = Running<F, T, S>;

    #[inline]
    fn settings_of(request: &Request) -> Option<OfLayer> {
        L::of_request(request)
    }

    #[inline]
    fn begin(
        self,
        arguments: F::Arguments,
        settings: Option<OfLayer>,
        cx: &mut Context<'_>,
        ending: &mut Poll<thread::Result<Response>>,
    ) -> Option<Running<F, T, S>> {
        let function = Function { f: self.f, arguments, types: PhantomData };
        let settings = OfLayer::or_defaults(settings.as_ref().or_else(|| self.settings.layer()));
        let call = Call::at_once(function, settings, type_name::<F>(), cx, ending)?;
        Some(Running { call })
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
    call: Box<Call<Function<F, T, S>>>,
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
