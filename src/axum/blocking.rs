//! [`blocking`]: a synchronous function as a [`Handler`] on the blocking pool.

use std::{
    any::type_name,
    fmt,
    future::Future as _,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use axum::{extract::Request, handler::Handler, response::Response};

use super::{
    SyncHandler,
    defaults::OfLayer,
    future::{Begin, HandlerFuture, sealed},
};
use crate::{blocking::BlockingLayer, layer::future::InBlocking};

/// Makes an axum [`Handler`] from a synchronous function that runs on tokio's pool of blocking threads, as
/// [`BlockingLayer`] runs services. Its waits block the thread. Use it for functions that use much CPU or make blocking
/// calls.
///
/// It takes the same functions as [`fiber`](super::fiber). Ordinary async code extracts the arguments before a thread
/// is taken.
///
/// The settings are the defaults, as with [`BlockingLayer::new`]; [`blocking_with`] takes a layer with a limit or
/// another runtime.
///
/// # Cancel safety
///
/// When the client disconnects while the function runs, the function runs to its end; it can find out from
/// [`caller_gone`](crate::caller_gone).
///
/// # Panics
///
/// The handler's future panics outside a tokio runtime, and if the function panics, with the same payload.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::axum::{blocking, fiber};
///
/// fn thumbnail() -> Vec<u8> {
///     // Decodes and scales an image.
///     # Vec::new()
/// }
///
/// fn title() -> String {
///     // Asks a database, by `wait`.
///     # String::new()
/// }
///
/// let app: Router = Router::new().route("/thumbnail", get(blocking(thumbnail))).route("/title", get(fiber(title)));
/// ```
pub fn blocking<F, T, S>(f: F) -> BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    blocking_with(&BlockingLayer::new(), f)
}

/// Like [`blocking`], but with the settings of `layer`, whose limit it shares. Requests above the limit wait in order
/// without a thread, and are dropped when their client disconnects. If the layer has a runtime, no other runtime is
/// needed.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::{BlockingLayer, axum::blocking_with};
///
/// let layer = BlockingLayer::builder().max_threads(4).build()?;
/// let app: Router = Router::new().route("/", get(blocking_with(&layer, || "hello")));
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
pub fn blocking_with<F, T, S>(layer: &BlockingLayer, f: F) -> BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    BlockingHandler { f, layer: layer.clone(), arguments: PhantomData }
}

/// The handler of [`blocking`] and [`blocking_with`].
#[must_use = "handlers do nothing unless routed to"]
pub struct BlockingHandler<F, T, S> {
    f: F,
    layer: BlockingLayer,
    arguments: PhantomData<fn(T, S)>,
}

impl<F, T, S> Unpin for BlockingHandler<F, T, S> {}

impl<F: Clone, T, S> Clone for BlockingHandler<F, T, S> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), layer: self.layer.clone(), arguments: PhantomData }
    }
}

impl<F, T, S> fmt::Debug for BlockingHandler<F, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandler").field("f", &type_name::<F>()).field("layer", &self.layer).finish()
    }
}

impl<F, T, S> Handler<T, S> for BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: Send + Sync + 'static,
{
    type Future = HandlerFuture<Self, T, S>;

    fn call(self, request: Request, state: S) -> Self::Future {
        HandlerFuture::new(self, request, state)
    }
}

impl<F, T, S> sealed::Sealed for BlockingHandler<F, T, S> {}

impl<F, T, S> Begin<T, S> for BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    type Function = F;
    type Running = Box<InBlocking<Response>>;

    fn settings_of(_: &Request) -> Option<OfLayer> {
        None
    }

    fn begin(
        self,
        arguments: F::Arguments,
        _: Option<OfLayer>,
        cx: &mut Context<'_>,
        ending: &mut Poll<thread::Result<Response>>,
    ) -> Option<Self::Running> {
        let f = self.f;
        let mut running = Box::new(self.layer.run(move || f.call(arguments)));
        *ending = Pin::new(&mut running).poll(cx).map(Ok);
        ending.is_pending().then_some(running)
    }
}
